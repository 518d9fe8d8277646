//! The udev rules with which brltty starts for USB devices.
//!
//! Some braille displays have no number of their own, but that of the common converter in them: then
//! brltty takes every modem with such a converter, too, and its line vanishes.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file of rules that is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RulesFile {
    pub(super) path: PathBuf,
    pub(super) rules: Vec<Rule>,
}

/// What a rule asks of a device before brltty gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// A pattern for `vendor/product/release`.
    product: String,
    /// Patterns for attributes, which one device of the chain must have all.
    attributes: Vec<(String, String)>,
}

/// A USB device, and those that it hangs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UsbDevice {
    /// `vendor/product/release`, as udev has it in `PRODUCT`.
    pub(super) product: String,
    /// Its attributes, then those of the hub that it is plugged into, and so on.
    pub(super) chain: Vec<BTreeMap<String, String>>,
}

impl UsbDevice {
    /// As people write it: `1a86:7523`.
    pub(super) fn id(&self) -> String {
        let mut numbers = self.product.split('/');
        let mut next = || format!("{:0>4}", numbers.next().unwrap_or_default());
        format!("{}:{}", next(), next())
    }
}

/// The rules of a file (udev(7)) that give a device of some `PRODUCT` to a braille driver.
pub(super) fn parse(text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let joined = text.replace("\\\n", "");
    for line in joined.lines().map(str::trim_start) {
        if line.starts_with('#') || !line.contains("BRLTTY_BRAILLE_DRIVER") {
            continue;
        }
        let mut product = None;
        let mut attributes = Vec::new();
        for (key, value) in matches(line) {
            if key == "ENV{PRODUCT}" {
                product = Some(value.to_owned());
            } else if let Some(name) = key
                .strip_prefix("ATTRS{")
                .or_else(|| key.strip_prefix("ATTR{"))
            {
                attributes.push((name.trim_end_matches('}').to_owned(), value.to_owned()));
            }
        }
        if let Some(product) = product {
            rules.push(Rule {
                product,
                attributes,
            });
        }
    }
    rules
}

/// What a line compares with what: `KEY=="value"`.
fn matches(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once('"') {
        let Some((value, after)) = after.split_once('"') else {
            break;
        };
        if let Some(key) = key.trim_end().strip_suffix("==") {
            found.push((key.trim_matches([',', ' ', '\t']), value));
        }
        rest = after;
    }
    found
}

impl Rule {
    /// Whether brltty gets this device. An attribute that was not read counts as fitting.
    pub(super) fn takes(&self, device: &UsbDevice) -> bool {
        let fits = |of: &BTreeMap<String, String>| {
            self.attributes
                .iter()
                .all(|(name, pattern)| of.get(name).is_none_or(|is| fits_one(pattern, is)))
        };
        fits_one(&self.product, &device.product)
            && (self.attributes.is_empty() || device.chain.iter().any(fits))
    }
}

/// Whether `text` fits one of the patterns that `|` separates.
fn fits_one(patterns: &str, text: &str) -> bool {
    patterns
        .split('|')
        .any(|pattern| fits(pattern.as_bytes(), text.as_bytes()))
}

/// A pattern of the shell, without its sets of characters: `[` stands for itself.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last `*` was, and how much it has eaten.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, eaten)) = star else {
                    return false;
                };
                star = Some((at, eaten + 1));
                p = at + 1;
                t = eaten + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As brltty 6 has them.
    const RULES: &str = "\
# Device: 0403:6001
# Generic Identifier
ENV{PRODUCT}==\"403/6001/*\", ATTRS{manufacturer}==\"Hedo Reha Technik GmbH\", ENV{BRLTTY_BRAILLE_DRIVER}=\"hd\", GOTO=\"run\"
ENV{PRODUCT}==\"1a86/7523/*\", ENV{BRLTTY_BRAILLE_DRIVER}=\"bm\", GOTO=\"run\"
#ENV{PRODUCT}==\"10c4/ea60/*\", ENV{BRLTTY_BRAILLE_DRIVER}=\"sk\", GOTO=\"run\"
ENV{PRODUCT}==\"10c4/ea80/*\", ATTRS{idVendor}==\"1a40\", \\
  ATTRS{idProduct}==\"0101\", ENV{BRLTTY_BRAILLE_DRIVER}=\"sk\"
LABEL=\"run\"
";

    fn device(product: &str, chain: &[&[(&str, &str)]]) -> UsbDevice {
        let attributes = |of: &&[(&str, &str)]| {
            of.iter()
                .map(|(name, is)| ((*name).to_owned(), (*is).to_owned()))
                .collect()
        };
        UsbDevice {
            product: product.to_owned(),
            chain: chain.iter().map(attributes).collect(),
        }
    }

    fn is_taken(product: &str, chain: &[&[(&str, &str)]]) -> bool {
        let device = device(product, chain);
        parse(RULES).iter().any(|rule| rule.takes(&device))
    }

    #[test]
    fn a_device_is_taken_by_its_number() {
        assert!(is_taken("1a86/7523/264", &[]));
        assert!(!is_taken("1a86/7522/264", &[]));
    }

    #[test]
    fn a_rule_that_asks_for_more_gets_only_that() {
        let ftdi = [("manufacturer", "FTDI"), ("idVendor", "0403")];
        let hedo = [("manufacturer", "Hedo Reha Technik GmbH")];
        assert!(!is_taken("403/6001/600", &[&ftdi]));
        assert!(is_taken("403/6001/600", &[&hedo]));
    }

    #[test]
    fn the_hub_may_be_what_a_rule_asks_for() {
        let own = [("idVendor", "10c4"), ("idProduct", "ea80")];
        let hub = [("idVendor", "1a40"), ("idProduct", "0101")];
        let half = [("idVendor", "1a40"), ("idProduct", "0102")];
        assert!(is_taken("10c4/ea80/100", &[&own, &hub]));
        assert!(!is_taken("10c4/ea80/100", &[&own, &half]));
    }

    #[test]
    fn what_is_a_comment_is_no_rule() {
        assert!(!is_taken("10c4/ea60/100", &[]));
    }

    #[test]
    fn a_number_is_written_in_full() {
        assert_eq!(device("403/6001/600", &[]).id(), "0403:6001");
        assert_eq!(device("", &[]).id(), "0000:0000");
    }

    #[test]
    fn patterns_are_those_of_the_shell() {
        for (pattern, text) in [
            ("*", ""),
            ("a*c", "abbc"),
            ("a?c", "abc"),
            ("x|a*", "abc"),
            ("?*", "x"),
        ] {
            assert!(fits_one(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("?*", ""), ("a", "ab"), ("a*c", "abcd"), ("", "a")] {
            assert!(!fits_one(pattern, text), "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_survived(text in "\\PC*|([A-Z{}=\",\\\\ \n]|ENV|PRODUCT|BRLTTY_BRAILLE_DRIVER)*", product in ".*") {
            let device = device(&product, &[&[("idVendor", "1a40")]]);
            let _ = device.id();
            for rule in parse(&text) {
                rule.takes(&device);
            }
        }

        #[test]
        fn every_text_fits_itself_and_a_star(text in "[a-z/0-9]*", rest in "[a-z]*") {
            prop_assert!(fits_one(&text, &text));
            let (pattern, whole) = (format!("{text}*"), format!("{text}{rest}"));
            prop_assert!(fits_one(&pattern, &whole));
        }
    }
}
