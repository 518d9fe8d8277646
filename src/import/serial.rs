//! The settings of a line, as ser2net writes them.

/// The settings, each as it was written.
#[derive(Debug, Clone)]
pub(super) struct Serial {
    baud: String,
    data: char,
    parity: char,
    stop: char,
    xonxoff: bool,
    rtscts: bool,
}

/// ser2net's default is `9600n81`.
impl Default for Serial {
    fn default() -> Self {
        Self {
            baud: "9600".to_owned(),
            data: '8',
            parity: 'N',
            stop: '1',
            xonxoff: false,
            rtscts: false,
        }
    }
}

impl Serial {
    /// Takes one setting: `9600`, `9600n81`, `EVEN`, `2STOPBITS`, `-XONXOFF`, `rtscts=true`. Says whether
    /// it was one.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let (name, on) = switch(word);
        match name.as_str() {
            "even" | "odd" | "none" | "mark" | "space" => {
                self.parity = name.chars().next().unwrap_or('n').to_ascii_uppercase();
            }
            "xonxoff" => self.xonxoff = on,
            "rtscts" => self.rtscts = on,
            _ => return self.bits(&name) || self.speed(&name),
        }
        true
    }

    /// Takes one of ser2net's defaults.
    pub(super) fn default_for(&mut self, name: &str, value: &str) -> bool {
        match name {
            "speed" => self.speed(&value.to_ascii_lowercase()),
            "databits" => self.bits(&format!("{value}databits")),
            "stopbits" => self.bits(&format!("{value}stopbits")),
            "parity" => self.take(value),
            "xonxoff" | "rtscts" => self.take(&format!("{name}={value}")),
            _ => false,
        }
    }

    /// `8databits`, `1stopbit`
    fn bits(&mut self, word: &str) -> bool {
        let mut chars = word.chars();
        let Some(digit) = chars.next().filter(char::is_ascii_digit) else {
            return false;
        };
        match chars.as_str() {
            "databit" | "databits" => self.data = digit,
            "stopbit" | "stopbits" => self.stop = digit,
            _ => return false,
        }
        true
    }

    /// `9600`, `9600n81`, `speed=9600n81`; what is left out stays.
    fn speed(&mut self, word: &str) -> bool {
        let word = word.strip_prefix("speed=").unwrap_or(word);
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let (baud, rest) = word.split_at(digits);
        let mut rest = rest.chars();
        let (parity, data, stop) = (rest.next(), rest.next(), rest.next());
        let is_setting = !baud.is_empty()
            && parity.is_none_or(|c| "noems".contains(c))
            && data.is_none_or(|c| c.is_ascii_digit())
            && stop.is_none_or(|c| c.is_ascii_digit())
            && rest.next().is_none();
        if is_setting {
            baud.clone_into(&mut self.baud);
            self.parity = parity.map_or(self.parity, |c| c.to_ascii_uppercase());
            self.data = data.unwrap_or(self.data);
            self.stop = stop.unwrap_or(self.stop);
        }
        is_setting
    }

    /// As `line` has it.
    pub(super) fn line(&self) -> String {
        let flow = match (self.rtscts, self.xonxoff) {
            (false, false) => "",
            (true, false) => ",rtscts",
            (false, true) => ",xonxoff",
            (true, true) => ",rtscts+xonxoff",
        };
        format!(
            "{},{},{},{}{flow}",
            self.baud, self.data, self.parity, self.stop
        )
    }
}

/// The name of an option in lower case, and whether it is switched on: `-LOCAL` and `local=false` are
/// off. A value that is neither true nor false stays with the name.
pub(super) fn switch(word: &str) -> (String, bool) {
    let word = word.to_ascii_lowercase();
    if let Some(name) = word.strip_prefix('-') {
        return (name.to_owned(), false);
    }
    match word.rsplit_once('=') {
        Some((name, value)) => match truth(value) {
            Some(on) => (name.to_owned(), on),
            None => (word, true),
        },
        None => (word, true),
    }
}

/// What YAML 1.1 and gensio take for true and false.
pub(super) fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
