//! YAML, as ser2net uses it: the top level repeats the key `connection`, and what has a name has it as an
//! anchor. So it is read event by event.

use granit_parser::{Event, Options, Parser};

/// A piece of YAML.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    Alias(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Of the key, from 1 on.
    pub(super) line: usize,
    /// What the value is called.
    pub(super) anchor: Option<String>,
    pub(super) value: Node,
}

/// What is being read: a list, or a map with its key of which the value is still to come.
enum Open {
    List(Vec<Node>),
    Map(Vec<Entry>, Option<(String, usize)>),
}

/// The top level of a file, as far as it could be read.
pub(super) fn parse(text: &str, top: &mut Vec<Entry>) -> Result<(), (usize, String)> {
    let mut options = Options::default();
    options.emit_anchor_events = true;
    options.emit_unresolved_aliases = true;
    let mut open: Vec<(Option<String>, Open)> = Vec::new();
    let mut has_begun = false;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| (error.marker().line(), error.info()))?;
        let line = span.start.line();
        if let Event::Anchor(_, name) = event {
            name_last(&mut open, top, has_begun, name.into_owned());
            continue;
        }
        has_begun = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        let (anchor, node) = match event {
            Event::Scalar(value, ..) => (None, Node::Text(value.into_owned())),
            Event::Alias(_) => {
                let name = span.slice(text).unwrap_or_default();
                (None, Node::Alias(name.trim_start_matches('*').to_owned()))
            }
            Event::UnresolvedAlias(name) => (None, Node::Alias(name.into_owned())),
            Event::SequenceStart(..) => {
                open.push((None, Open::List(Vec::new())));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((None, Open::Map(Vec::new(), None)));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((anchor, Open::List(nodes))) => (anchor, Node::List(nodes)),
                Some((anchor, Open::Map(entries, _))) => (anchor, Node::Map(entries)),
                None => continue,
            },
            _ => continue,
        };
        let is_top = open.len() == 1;
        match open.last_mut() {
            Some((_, Open::List(nodes))) => nodes.push(node),
            Some((_, Open::Map(entries, key))) => match (key.take(), node) {
                (Some((key, line)), value) => {
                    let entry = Entry {
                        key,
                        line,
                        anchor,
                        value,
                    };
                    if is_top { &mut *top } else { entries }.push(entry);
                }
                (None, Node::Text(text)) => *key = Some((text, line)),
                (None, _) => return Err((line, "a key is no text".to_owned())),
            },
            None if matches!(node, Node::Map(_)) => {}
            None => return Err((line, "there is no `connection:`".to_owned())),
        }
    }
    Ok(())
}

/// Gives its name to what was read last: the list or map that has begun, or the value of a key.
fn name_last(
    open: &mut [(Option<String>, Open)],
    top: &mut [Entry],
    has_begun: bool,
    name: String,
) {
    let is_top = open.len() == 1;
    match open.last_mut() {
        Some((anchor, _)) if has_begun => *anchor = Some(name),
        Some((_, Open::Map(entries, None))) => {
            let entries = if is_top { top } else { entries };
            if let Some(entry) = entries.last_mut() {
                entry.anchor = Some(name);
            }
        }
        _ => {}
    }
}
