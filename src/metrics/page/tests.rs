use super::*;
use crate::control::interface::{Instance, Protocol};
use proptest::prelude::*;

/// Names as few as lead to meetings, and as odd as can be.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]", "/dev/tty[\"\\\\\n,}é ]{1,2}"]
}

fn answers() -> impl Strategy<Value = Answers> {
    let port = (name(), prop::collection::vec(name(), 0..3)).prop_map(|(name, lines)| Port {
        name,
        protocol: Protocol::Raw,
        instance: Instance::Shared,
        listen: Vec::new(),
        lines,
        settings: String::new(),
        queues: false,
    });
    let line = (name(), 0..4, any::<bool>()).prop_map(|(line, state, drained)| Line {
        line,
        ports: Vec::new(),
        state: [
            LineState::Free,
            LineState::InUse,
            LineState::Held,
            LineState::Missing,
        ][usize::try_from(state).unwrap()],
        session: None,
        holder: None,
        drained,
        aside: None,
    });
    let of_port = (name(), any::<u64>()).prop_map(|(port, count)| PortCounts {
        port,
        denied: count,
        waited_usec: count,
        ..PortCounts::default()
    });
    let of_line = (name(), name(), any::<u64>()).prop_map(|(port, line, count)| LineCounts {
        port,
        line,
        to_line: count,
        in_use_usec: count,
        ..LineCounts::default()
    });
    (
        prop::collection::vec(port, 0..3),
        prop::collection::vec(line, 0..3),
        prop::collection::vec(of_port, 0..3),
        prop::collection::vec(of_line, 0..3),
    )
        .prop_map(|(ports, lines, of_ports, of_lines)| Answers {
            description: Description {
                version: "1".to_owned(),
                pid: 1,
                problems: Vec::new(),
            },
            ports,
            lines,
            sessions: Vec::new(),
            counts: Counts {
                ports: of_ports,
                lines: of_lines,
            },
        })
}

proptest! {
    #[test]
    fn each_series_stands_once_below_its_name_whatever_there_is(
        answers in answers(),
        form in prop::sample::select(vec![Form::OpenMetrics, Form::Prometheus, Form::Either]),
    ) {
        let text = page(&answers, form);
        prop_assert!(text.ends_with("\n# EOF\n"));
        let mut series = BTreeSet::new();
        let mut families = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap();
                prop_assert!(families.insert(family), "{line} comes twice");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                prop_assert_eq!(kind.split(' ').next(), Some(family));
            } else if line != "# EOF" {
                let (name, value) = line.rsplit_once(' ').unwrap();
                prop_assert!(value.parse::<f64>().is_ok(), "{line}");
                prop_assert!(series.insert(name), "{line} comes twice");
                let sample = name.split('{').next().unwrap();
                let sample = match form {
                    Form::OpenMetrics => sample.strip_suffix("_total").unwrap_or(sample),
                    Form::Prometheus | Form::Either => sample,
                };
                prop_assert_eq!(sample, family);
            }
        }
        for port in &answers.ports {
            let labels = format!("{{port=\"{}\"}}", Label(&port.name));
            for name in ["modemd_waits_total", "modemd_gave_up_total", "modemd_waiting_clients"] {
                let series = series.contains(&*format!("{name}{labels}"));
                prop_assert!(series, "{name}{labels}");
            }
            for line in &port.lines {
                let name = "modemd_sessions_total";
                let labels = format!("{{port=\"{}\",line=\"{}\"}}", Label(&port.name), Label(line));
                let series = series.contains(&*format!("{name}{labels}"));
                prop_assert!(series, "{name}{labels}");
            }
        }
    }

    #[test]
    fn a_label_reads_back_as_it_was(text in r#"([\\"n{}\n, =]|\PC){0,20}"#) {
        let quoted = Label(&text).to_string();
        prop_assert!(!quoted.contains('\n'));
        let mut read = String::new();
        let mut rest = quoted.chars();
        while let Some(c) = rest.next() {
            prop_assert_ne!(c, '"', "the label ends here");
            match (c, if c == '\\' { rest.next() } else { None }) {
                ('\\', Some('n')) => read.push('\n'),
                ('\\', Some(c @ ('\\' | '"'))) => read.push(c),
                ('\\', other) => prop_assert!(false, "{other:?} after a backslash"),
                (c, _) => read.push(c),
            }
        }
        prop_assert_eq!(read, text);
    }

    #[test]
    fn seconds_are_exact(usec in any::<u64>()) {
        let text = Seconds(usec).to_string();
        let (whole, part) = text.split_once('.').unwrap();
        prop_assert_eq!(part.len(), 6);
        prop_assert_eq!(format!("{whole}{part}").parse::<u64>().unwrap(), usec);
    }
}
