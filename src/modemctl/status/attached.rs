//! Attached ports, as a table.

use crate::attach::interface::{Attached as Told, Signals, State};
use crate::modemctl::attached::{Attached, Port};
use crate::modemctl::paint::{Colour, Paint};
use crate::modemctl::printable::{fold, printable};
use crate::modemctl::survey::names_of;
use crate::modemctl::table::{Cell, Column, first_that_fits};
use crate::modemctl::units::{age, bytes};

/// What is told of a port.
#[derive(Debug, Clone, Copy)]
enum Topic {
    Name,
    Server,
    Device,
    State,
    Since,
    ToLine,
    ToProgram,
    Signals,
    Carrier,
    Settings,
}

/// As many of them as there is room for.
const CHOICES: [&[Topic]; 8] = {
    use Topic::{
        Carrier, Device, Name, Server, Settings, Signals, Since, State, ToLine, ToProgram,
    };
    [
        &[
            Name, Server, Device, State, Since, ToLine, ToProgram, Signals, Settings,
        ],
        &[
            Name, Server, Device, State, Since, ToLine, ToProgram, Carrier, Settings,
        ],
        &[
            Name, Server, Device, State, Since, ToLine, ToProgram, Carrier,
        ],
        &[Name, Server, Device, State, Since, ToLine, ToProgram],
        &[Name, Server, Device, State, Since],
        &[Name, Device, State, Since],
        &[Name, Device, State],
        &[Name, State],
    ]
};

fn column(topic: Topic, ports: &[Port]) -> Column {
    let of_port = |what: &dyn Fn(&Port) -> Cell| ports.iter().map(what).collect();
    let of_told = |what: &dyn Fn(&Told) -> Option<String>| {
        let text = |port: &Port| match port {
            Port::Told(told) => what(told).unwrap_or_default(),
            Port::Untold { .. } | Port::NotAttached { .. } => String::new(),
        };
        ports.iter().map(|port| Cell::from(text(port))).collect()
    };
    match topic {
        Topic::Name => Column::new("NAME", of_port(&|port| port.name().into())).at_least(8),
        Topic::Server => Column::new("SERVER", of_port(&server)).at_least(16),
        Topic::Device => {
            let device = |of: &Told| of.link.as_ref().unwrap_or(&of.device).clone();
            Column::new("DEVICE", of_told(&|of| Some(device(of)))).end_at_least(14)
        }
        Topic::State => Column::new("STATE", of_port(&state)),
        Topic::Since => Column::new("SINCE", of_told(&|of| Some(age(of.age_usec)))),
        Topic::ToLine => Column::new("TO LINE", of_told(&|of| Some(bytes(of.to_line)))).number(),
        Topic::ToProgram => {
            Column::new("TO PROGRAM", of_told(&|of| Some(bytes(of.to_program)))).number()
        }
        Topic::Signals => Column::new("SIGNALS", of_told(&|of| of.signals.map(signal_names))),
        Topic::Carrier => {
            let carrier = |of: Signals| if of.dcd { "on" } else { "off" }.to_owned();
            Column::new("DCD", of_told(&|of| of.signals.map(carrier)))
        }
        Topic::Settings => Column::new("SETTINGS", of_told(&|of| of.settings.clone())),
    }
}

fn server(port: &Port) -> Cell {
    match port {
        Port::Told(told) => told.server.as_str().into(),
        Port::NotAttached { server, .. } => server.as_str().into(),
        Port::Untold { .. } => Cell::default(),
    }
}

fn state(port: &Port) -> Cell {
    use Colour::{Green, Red, Yellow};

    let (word, colour) = match port {
        Port::NotAttached { .. } => ("not attached", Some(Yellow)),
        Port::Untold { .. } => ("unknown", Some(Red)),
        Port::Told(told) => match told.state {
            State::Closed => ("closed", None),
            State::Calling => ("calling", Some(Yellow)),
            State::Retrying => ("retrying", Some(Red)),
            State::Waiting => ("waiting", Some(Yellow)),
            State::Connected => ("connected", Some(Green)),
            State::Closing => ("closing", Some(Green)),
        },
    };
    Cell::new(word, colour)
}

fn signal_names(signals: Signals) -> String {
    names_of(&[
        (signals.cts, "CTS"),
        (signals.dsr, "DSR"),
        (signals.dcd, "DCD"),
        (signals.ri, "RI"),
    ])
}

/// What is to be said of a port that does not do what it is there for.
fn why(port: &Port) -> Option<String> {
    match port {
        Port::Untold { why, .. } | Port::NotAttached { why, .. } => Some(why.clone()),
        Port::Told(told) => {
            let why = told.why.as_ref()?;
            match told.state {
                State::Connected | State::Closing => None,
                State::Closed => Some(format!("when a program last had it open: {why}")),
                State::Calling | State::Retrying | State::Waiting => Some(why.clone()),
            }
        }
    }
}

/// All of it, each line at most as wide as the room; nothing if nothing is attached.
pub(super) fn describe(attached: &Attached, room: Option<usize>, paint: Paint) -> Option<String> {
    let ports = &attached.ports;
    if ports.is_empty() {
        return None;
    }
    let tables = CHOICES
        .iter()
        .map(|choice| choice.iter().map(|of| column(*of, ports)).collect());
    let mut text = first_that_fits(tables, room, paint);
    let whys = ports.iter().filter_map(|port| Some((port, why(port)?)));
    let whys: Vec<_> = whys
        .map(|(port, why)| format!("{}: {why}", port.name()))
        .collect();
    if !whys.is_empty() {
        text.push(String::new());
    }
    for why in whys {
        text.extend(fold(&printable(&why), room.unwrap_or(usize::MAX)));
    }
    text.push(String::new());
    Some(text.join("\n"))
}

#[cfg(test)]
mod tests;
