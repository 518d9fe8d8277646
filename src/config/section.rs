//! One table of a file, read key by key; what is wrong is noted and the rest goes on.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::problem::{Mistake, Problem, quoted};
use super::source::Source;
use super::suggest::nearest;

/// A key that a table may have, and an example of how it is written.
pub(super) type Key = (&'static str, &'static str);

/// One table of a file.
pub(super) struct Section<'f> {
    source: &'f Source<'f>,
    /// `ports.modem`; empty for the file itself.
    name: String,
    /// The port that is disabled by a mistake in here.
    port: Option<String>,
    known: &'static [Key],
    pub(super) problems: Vec<Problem>,
}

impl<'f> Section<'f> {
    pub(super) fn new(
        source: &'f Source<'f>,
        name: impl Into<String>,
        port: Option<&str>,
        known: &'static [Key],
    ) -> Self {
        Self {
            source,
            name: name.into(),
            port: port.map(str::to_owned),
            known,
            problems: Vec::new(),
        }
    }

    /// The table `key` of this one. Its problems are not yet among those of this one.
    pub(super) fn inner(&self, key: &str, known: &'static [Key]) -> Self {
        let name = format!("{}.{key}", self.name);
        Self::new(self.source, name, self.port.as_deref(), known)
    }

    /// Notes a mistake in the value of `key`, or in the table itself if that is empty.
    pub(super) fn report(&mut self, key: &str, span: Range<usize>, mistake: Mistake) {
        let names = [self.name.as_str(), key];
        let what = names.into_iter().filter(|name| !name.is_empty());
        let what = what.collect::<Vec<_>>().join(".");
        let message = if what.is_empty() {
            mistake.message
        } else {
            format!("{what}: {}", mistake.message)
        };
        self.problems.push(Problem {
            port: self.port.clone(),
            place: Some(self.source.place(span)),
            message,
            remedy: mistake.remedy,
        });
    }

    /// Notes a key that this table does not have, and returns which was most likely meant. If
    /// none is likely, `hint` is the remedy.
    pub(super) fn unknown(
        &mut self,
        key: &Spanned<DeString<'_>>,
        hint: Option<String>,
    ) -> Option<&'static str> {
        let known = || self.known.iter().map(|(name, _)| *name);
        let meant = nearest(key.get_ref(), known());
        let remedy = match (meant, hint) {
            (Some(name), _) => format!("did you mean `{name}`?"),
            (None, Some(hint)) => hint,
            (None, None) => {
                let known: Vec<_> = known().collect();
                format!("the keys here are `{}`", known.join("`, `"))
            }
        };
        let message = format!("{} is not a key", quoted(key.get_ref()));
        self.report("", key.span(), Mistake::new(message, remedy));
        meant
    }

    /// What `parse` makes of a string.
    pub(super) fn string<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl FnOnce(&str) -> Result<T, Mistake>,
    ) -> Option<T> {
        let parsed = match value.get_ref() {
            DeValue::String(text) => parse(text),
            // Most often a number without its unit, or that only lacks the quotes.
            DeValue::Integer(number) => {
                let number = number.to_string();
                Err(match parse(&number) {
                    Ok(_) => Mistake::new(
                        format!("{} must stand in quotes", quoted(&number)),
                        format!("write `\"{number}\"`"),
                    ),
                    Err(mistake) => Mistake {
                        remedy: format!("{}, in quotes", mistake.remedy),
                        ..mistake
                    },
                })
            }
            other => Err(self.wrong_type(key, "a string", other)),
        };
        parsed
            .map_err(|mistake| self.report(key, value.span(), mistake))
            .ok()
    }

    /// A number, which is `what`.
    pub(super) fn number(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        what: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let read = match value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| {
                    let (least, most) = (range.start(), range.end());
                    let number = quoted(&number.to_string());
                    Mistake::new(
                        format!("{number} is not {what} from {least} to {most}"),
                        format!("write for example `{}`, or leave it out", self.example(key)),
                    )
                }),
            other => {
                let mut mistake = self.wrong_type(key, "a whole number", other);
                if let DeValue::String(text) = other
                    && let Ok(number) = text.parse()
                    && range.contains(&number)
                {
                    mistake.remedy = format!("write `{key} = {number}`, without quotes");
                }
                Err(mistake)
            }
        };
        read.map_err(|mistake| self.report(key, value.span(), mistake))
            .ok()
    }

    /// What `parse` makes of each string of a list, with its place; none if it is no list.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, Mistake>,
    ) -> Option<Items<T>> {
        let DeValue::Array(items) = value.get_ref() else {
            let mut mistake = self.wrong_type(key, "a list", value.get_ref());
            if let DeValue::String(_) = value.get_ref()
                && let Some(text) = self.source.one_line(value.span())
            {
                mistake.remedy = format!("write `{key} = [{text}]`");
            }
            self.report(key, value.span(), mistake);
            return None;
        };
        let item = |item: &Spanned<_>| Some((self.string(key, item, &parse)?, item.span()));
        Some(items.iter().filter_map(item).collect())
    }

    /// The items of a [`list`](Self::list) of at least one; `remedy` is for none.
    pub(super) fn some_list<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, Mistake>,
        remedy: &str,
    ) -> Vec<T> {
        let list = self.list(key, value, parse).unwrap_or_default();
        if let DeValue::Array(items) = value.get_ref()
            && items.is_empty()
        {
            self.report(key, value.span(), Mistake::new("the list is empty", remedy));
        }
        list.into_iter().map(|(item, _)| item).collect()
    }

    /// A [`list`](Self::list) of at least one, no two of which may clash, for which `remedy` is if
    /// they are written differently; apart, the items and their places.
    ///
    /// `clashes` gives for each item the first one before it that it clashes with.
    pub(super) fn distinct_list<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, Mistake>,
        clashes: impl FnOnce(&[T]) -> Vec<Option<usize>>,
        remedy: &str,
    ) -> (Vec<T>, Vec<Range<usize>>) {
        let list = self.list(key, value, parse).unwrap_or_default();
        if let DeValue::Array(items) = value.get_ref()
            && items.is_empty()
        {
            let remedy = format!("write at least one, for example `{}`", self.example(key));
            self.report(key, value.span(), Mistake::new("the list is empty", remedy));
        }
        let (items, spans): (Vec<_>, Vec<_>) = list.into_iter().unzip();
        for (span, first) in spans.iter().zip(clashes(&items)) {
            if let Some(first) = first {
                let text = |span: &Range<usize>| {
                    let text = self.source.one_line(span.clone()).unwrap_or_default();
                    quoted(text.trim_matches(['"', '\'']))
                };
                let (text, first) = (text(span), text(&spans[first]));
                let mistake = if text == first {
                    Mistake::new(format!("{text} is there twice"), "leave one of them out")
                } else {
                    Mistake::new(format!("{text} clashes with {first}"), remedy)
                };
                self.report(key, span.clone(), mistake);
            }
        }
        (items.into_boxed_slice().into_vec(), spans)
    }

    /// The keys and values of a table, in the order of the file.
    pub(super) fn table<'v, 't>(
        &mut self,
        key: &str,
        value: &'v Spanned<DeValue<'t>>,
    ) -> Option<Vec<Entry<'v, 't>>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(in_order(table));
        }
        let mistake = self.wrong_type(key, "a table", value.get_ref());
        self.report(key, value.span(), mistake);
        None
    }

    /// Each table of a list of tables: where it is, and its keys and values.
    pub(super) fn tables<'v, 't>(
        &mut self,
        key: &str,
        value: &'v Spanned<DeValue<'t>>,
    ) -> Vec<(Range<usize>, Vec<Entry<'v, 't>>)> {
        let DeValue::Array(items) = value.get_ref() else {
            let mistake = self.wrong_type(key, "a list of tables", value.get_ref());
            self.report(key, value.span(), mistake);
            return Vec::new();
        };
        let table = |item: &'v Spanned<_>| Some((item.span(), self.table(key, item)?));
        items.iter().filter_map(table).collect()
    }

    /// Notes that a key must be given.
    pub(super) fn missing(&mut self, key: &str, header: Range<usize>) {
        let mistake = Mistake::new(
            format!("`{key}` is missing"),
            format!(
                "write for example `{}` in the table `{}`",
                self.example(key),
                self.name
            ),
        );
        self.report("", header, mistake);
    }

    /// That `key` must be what is `wanted`, and is not.
    pub(super) fn wrong_type(&self, key: &str, wanted: &str, value: &DeValue<'_>) -> Mistake {
        let kind = match value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        Mistake::new(
            format!("must be {wanted}, not {kind}"),
            format!("write for example `{}`", self.example(key)),
        )
    }

    /// How `key` is written; for no key, how the table is begun.
    fn example(&self, key: &str) -> String {
        match self.known.iter().find(|(name, _)| *name == key) {
            Some((_, example)) => (*example).to_owned(),
            None => format!("[{}]", self.name),
        }
    }
}

/// Replaces a default by what was read, if that was right.
pub(super) fn set<T>(setting: &mut T, read: Option<T>) {
    if let Some(read) = read {
        *setting = read;
    }
}

/// For each item the first one before it that is the same.
pub(super) fn repeats<T: Ord>(items: &[T]) -> Vec<Option<usize>> {
    let mut firsts = BTreeMap::new();
    let mut first = |(n, item)| Some(*firsts.entry(item).or_insert(n)).filter(|first| *first < n);
    items.iter().enumerate().map(&mut first).collect()
}

/// What is in a list, and where.
pub(super) type Items<T> = Vec<(T, Range<usize>)>;

/// A key and its value.
pub(super) type Entry<'v, 't> = (&'v Spanned<DeString<'t>>, &'v Spanned<DeValue<'t>>);

/// `toml` keeps tables in the order of the alphabet, but people read mistakes from top to bottom.
pub(super) fn in_order<'v, 't>(table: &'v DeTable<'t>) -> Vec<Entry<'v, 't>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_there_again_is_told_with_the_first(items in prop::collection::vec(0..6_u8, 0..20)) {
            let naive = items.iter().enumerate().map(|(n, item)| {
                items[..n].iter().position(|earlier| earlier == item)
            });
            prop_assert_eq!(repeats(&items), naive.collect::<Vec<_>>());
        }
    }
}
