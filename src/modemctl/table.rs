//! Tables: as wide as what is in them, or as there is room, and never wider.

use super::paint::{Colour, Paint};
use super::printable::{cut, cut_front, printable, width};

/// What lies between two columns.
const GAP: &str = "  ";

/// A part of a table, printable whatever it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    pub(super) fn new(text: &str, colour: Option<Colour>) -> Cell {
        let text = printable(text).into_owned();
        Cell { text, colour }
    }

    /// Something of our own, in characters that a name could not have.
    pub(super) fn drawn(text: String, colour: Option<Colour>) -> Cell {
        Cell { text, colour }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::new(text, None)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::from(text.as_str())
    }
}

/// Which part of a cell is kept where there is no room for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Beginning,
    End,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    heading: &'static str,
    cells: Vec<Cell>,
    is_number: bool,
    least: usize,
    part: Part,
}

impl Column {
    /// A column that needs all its room.
    pub(super) fn new(heading: &'static str, cells: Vec<Cell>) -> Column {
        let mut column = Column {
            heading,
            cells,
            is_number: false,
            least: usize::MAX,
            part: Part::Beginning,
        };
        column.least = column.natural();
        column
    }

    /// The same, with its end at the right.
    pub(super) fn number(self) -> Column {
        Column {
            is_number: true,
            ..self
        }
    }

    /// The same, which does with so many columns; the beginning of each cell is kept.
    pub(super) fn at_least(self, least: usize) -> Column {
        let least = least.min(self.natural());
        Column { least, ..self }
    }

    /// The same, which does with so many columns; the end of each cell is kept.
    pub(super) fn end_at_least(self, least: usize) -> Column {
        let part = Part::End;
        Column { part, ..self }.at_least(least)
    }

    fn natural(&self) -> usize {
        let cells = self.cells.iter().map(|cell| width(&cell.text));
        cells.max().unwrap_or(0).max(width(self.heading))
    }
}

/// How wide each column is, in the room that there is; nothing if that is too little.
pub(super) fn widths(columns: &[&Column], room: Option<usize>) -> Option<Vec<usize>> {
    let mut widths: Vec<_> = columns.iter().map(|column| column.natural()).collect();
    let Some(room) = room else {
        return Some(widths);
    };
    while total(&widths) > room {
        // Who can spare most gives first.
        let spare = |index: &usize| widths[*index] - columns[*index].least;
        let index = (0..widths.len()).max_by_key(spare)?;
        if spare(&index) == 0 {
            return None;
        }
        widths[index] -= 1;
    }
    Some(widths)
}

/// How wide a table of such columns is.
pub(super) fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// The first of these tables for which there is room; the last resort is the first column of the last one.
pub(super) fn first_that_fits(
    tables: impl Iterator<Item = Vec<Column>>,
    room: Option<usize>,
    paint: Paint,
) -> Vec<String> {
    let mut last = Vec::new();
    for table in tables {
        let columns: Vec<_> = table.iter().collect();
        if let Some(widths) = widths(&columns, room) {
            return rows(&columns, &widths, room, paint);
        }
        last = table;
    }
    let first: Vec<_> = last.iter().take(1).collect();
    rows(&first, &[room.unwrap_or_default()], room, paint)
}

/// A table: its heading, and its rows. Where there is less room than even the last resort takes, the
/// right is missing.
pub(super) fn rows(
    columns: &[&Column],
    widths: &[usize],
    room: Option<usize>,
    paint: Paint,
) -> Vec<String> {
    let heading = columns.iter().map(|column| Cell::from(column.heading));
    let heading: Vec<_> = heading.collect();
    let mut rows = vec![row(columns, widths, room, paint, &|index| &heading[index])];
    let count = columns.first().map_or(0, |column| column.cells.len());
    for number in 0..count {
        let cell = |index: usize| &columns[index].cells[number];
        rows.push(row(columns, widths, room, paint, &cell));
    }
    rows
}

fn row<'a>(
    columns: &[&Column],
    widths: &[usize],
    room: Option<usize>,
    paint: Paint,
    cell: &dyn Fn(usize) -> &'a Cell,
) -> String {
    let mut row = String::new();
    let mut room = room.unwrap_or(usize::MAX);
    let last = (0..columns.len()).rfind(|&index| !cell(index).text.is_empty());
    for index in 0..last.map_or(0, |last| last + 1) {
        if index > 0 {
            row += cut(GAP, room.min(GAP.len())).trim_end_matches('…');
            room = room.saturating_sub(GAP.len());
        }
        let Cell { text, colour } = cell(index);
        let (column, wide) = (columns[index], widths[index].min(room));
        let text = match column.part {
            Part::Beginning => cut(text, wide),
            Part::End => cut_front(text, wide),
        };
        let pad = " ".repeat(wide - width(&text));
        room -= wide;
        if column.is_number {
            row += &pad;
        }
        match colour {
            Some(colour) => row += &paint.paint(*colour, &text),
            None => row += &text,
        }
        if !column.is_number && Some(index) != last {
            row += &pad;
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(columns: &[Column], room: Option<usize>) -> Vec<String> {
        let columns: Vec<_> = columns.iter().collect();
        let widths = widths(&columns, room).unwrap_or_else(|| vec![7; columns.len()]);
        rows(&columns, &widths, room, Paint::OFF)
    }

    #[test]
    fn columns_give_way_as_far_as_they_can() {
        let columns = [
            Column::new("LINE", vec!["/dev/ttyS1".into(), "/dev/x".into()]).end_at_least(5),
            Column::new("BYTES", vec!["12".into(), "1234".into()]).number(),
            Column::new("CLIENT", vec!["192.168.2.7:50112".into(), "".into()]).at_least(6),
        ];
        assert_eq!(
            table(&columns, None),
            [
                "LINE        BYTES  CLIENT",
                "/dev/ttyS1     12  192.168.2.7:50112",
                "/dev/x       1234"
            ]
        );
        assert_eq!(
            table(&columns, Some(24)),
            [
                "LINE     BYTES  CLIENT",
                "…/ttyS1     12  192.168…",
                "/dev/x    1234"
            ]
        );
        let columns: Vec<_> = columns.iter().collect();
        assert_eq!(widths(&columns, Some(19)), None);
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_the_room(
            cells in prop::collection::vec(prop::collection::vec(any::<String>(), 3), 1..5),
            least in 0..10_usize,
            room in 0..60_usize,
        ) {
            let columns: Vec<_> = cells
                .iter()
                .map(|cells| {
                    let cells = cells.iter().map(|cell| cell.as_str().into()).collect();
                    Column::new("HEADING", cells).at_least(least)
                })
                .collect();
            for row in table(&columns, Some(room)) {
                prop_assert!(width(&row) <= room, "{row:?}");
                prop_assert!(!row.chars().any(char::is_control), "{row:?}");
            }
        }
    }
}
