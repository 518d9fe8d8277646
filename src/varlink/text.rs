//! The text of an interface, for tests: whether it explains everything, and whether what is said is what it
//! says.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields of one type, or of what a method is given or gives, in their order.
pub(crate) type Fields = Vec<(String, String)>;

/// What the text of the interface names: `type Port`, `method HangUp(`, `method HangUp->`, `error Failed`.
/// Each must have a sentence in front of it, and so must each field of a type.
pub(crate) fn parse(text: &str) -> BTreeMap<String, Fields> {
    let mut named = BTreeMap::new();
    let mut open: Option<(String, Fields)> = None;
    let mut has_sentence = false;
    for line in text.lines().map(str::trim) {
        let documented = std::mem::replace(&mut has_sentence, line.starts_with('#'));
        if line.is_empty() || line.starts_with('#') || line.starts_with("interface ") {
            continue;
        }
        assert!(documented || line == ")", "without a sentence: {line}");
        if let Some((name, mut fields)) = open.take() {
            if line == ")" {
                named.insert(name, fields);
            } else {
                fields.push(field(line.trim_end_matches(',')));
                open = Some((name, fields));
            }
        } else if let Some(name) = line.strip_prefix("type ") {
            open = Some((
                format!("type {}", name.trim_end_matches('(')),
                Fields::new(),
            ));
        } else if let Some(method) = line.strip_prefix("method ") {
            let (name, rest) = method.split_once('(').unwrap();
            let (given, result) = rest.split_once(") -> (").unwrap();
            named.insert(format!("method {name}("), fields(given));
            let name = format!("method {name}->");
            if result.is_empty() {
                open = Some((name, Fields::new()));
            } else {
                named.insert(name, fields(result.trim_end_matches(')')));
            }
        } else {
            let (name, rest) = line
                .strip_prefix("error ")
                .unwrap_or_else(|| panic!("what is {line}?"))
                .split_once('(')
                .unwrap();
            named.insert(format!("error {name}"), fields(rest.trim_end_matches(')')));
        }
    }
    named
}

fn field(text: &str) -> (String, String) {
    let (name, of) = text.split_once(": ").unwrap();
    (name.to_owned(), of.to_owned())
}

fn fields(text: &str) -> Fields {
    text.split(", ")
        .filter(|text| !text.is_empty())
        .map(field)
        .collect()
}

/// Whether a value is of a type of the interface.
fn is_of(value: &Value, of: &str, named: &BTreeMap<String, Fields>) -> bool {
    if let Some(of) = of.strip_prefix('?') {
        return is_of(value, of, named);
    }
    if let Some(of) = of.strip_prefix("[]") {
        return value
            .as_array()
            .unwrap()
            .iter()
            .all(|value| is_of(value, of, named));
    }
    match of {
        "string" => value.is_string(),
        "int" => value.is_u64(),
        "bool" => value.is_boolean(),
        of => match of.strip_prefix('(') {
            Some(words) => {
                let words = words.trim_end_matches(')').split(", ");
                words.into_iter().any(|word| value == word)
            }
            None => is_object(value, &named[&format!("type {of}")], named),
        },
    }
}

/// The errors that the text of an interface names, in the order of the alphabet.
pub(crate) fn errors(text: &str) -> Vec<String> {
    let named = parse(text);
    let errors = named.keys().filter_map(|name| name.strip_prefix("error "));
    errors.map(str::to_owned).collect()
}

fn is_object(value: &Value, fields: &Fields, named: &BTreeMap<String, Fields>) -> bool {
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), fields.len(), "{value} {fields:?}");
    fields
        .iter()
        .all(|(name, of)| is_of(&object[name], of, named))
}

/// Checks that what each method is given and gives is what the text says; `samples` have everything in
/// them that there can be, and none is missing.
pub(crate) fn agree(text: &str, samples: &[(&str, Value)]) {
    let named = parse(text);
    for (name, value) in samples {
        assert!(is_object(value, &named[*name], &named), "{name} {value}");
    }
    let with_fields = named
        .iter()
        .filter(|(name, fields)| name.starts_with("method ") && !fields.is_empty());
    for (method, _) in with_fields {
        let has_one = samples.iter().any(|(name, _)| name == method);
        assert!(has_one, "{method} has no sample");
    }
}
