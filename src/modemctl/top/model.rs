//! What `modemctl top` knows and shows, without a terminal and without a clock.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::keys::{INTERRUPT, Key};
use crate::control::interface::Session;
use crate::modemctl::survey::{Entry, Survey};

/// How many samples are kept; no graph is wider.
pub(super) const SAMPLES: usize = 120;

/// The speeds of a session over the last samples, in bytes per second.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<(Duration, u64, u64)>,
    pub(super) to_line: VecDeque<u64>,
    pub(super) to_client: VecDeque<u64>,
}

impl History {
    fn take(&mut self, now: Duration, to_line: u64, to_client: u64) {
        if let Some((then, before_to_line, before_to_client)) = self.last {
            let milliseconds = now.saturating_sub(then).as_millis().max(1);
            let rate = |now: u64, before: u64| {
                let rate = u128::from(now.saturating_sub(before)) * 1000 / milliseconds;
                u64::try_from(rate).unwrap_or(u64::MAX)
            };
            push(&mut self.to_line, rate(to_line, before_to_line));
            push(&mut self.to_client, rate(to_client, before_to_client));
        }
        self.last = Some((now, to_line, to_client));
    }
}

fn push(samples: &mut VecDeque<u64>, rate: u64) {
    if samples.len() == SAMPLES {
        samples.pop_front();
    }
    samples.push_back(rate);
}

/// What modemd is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    HangUp { session: String, whom: String },
    Drain(String),
    Resume(String),
}

/// What a key led to beyond what is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Quit,
    Wish(Wish),
}

/// A row of the table: a line, or a client without one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    Line(Entry<'a>),
    Client(&'a Session),
}

impl<'a> Row<'a> {
    pub(super) fn session(&self) -> Option<&'a Session> {
        match self {
            Row::Line(entry) => entry.session,
            Row::Client(session) => Some(session),
        }
    }

    /// What it is known by from one look to the next.
    fn key(&self) -> &str {
        match self {
            Row::Line(entry) => entry.name(),
            Row::Client(session) => &session.session,
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        matches!(self, Row::Line(Entry { line: Some(line), .. }) if line.drained)
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) survey: Survey,
    histories: HashMap<String, History>,
    selected: String,
    position: usize,
    /// What is to be done if the answer is yes.
    pub(super) question: Option<Wish>,
    /// Something to say until the next key.
    pub(super) notice: Option<String>,
    /// Why modemd does not answer, if it does not.
    pub(super) away: Option<String>,
}

impl Model {
    pub(super) fn new(survey: Survey, now: Duration) -> Model {
        let mut model = Model {
            survey: survey.clone(),
            histories: HashMap::new(),
            selected: String::new(),
            position: 0,
            question: None,
            notice: None,
            away: None,
        };
        model.take(survey, now);
        model
    }

    /// modemd has answered.
    pub(super) fn take(&mut self, survey: Survey, now: Duration) {
        let mut former = std::mem::take(&mut self.histories);
        for session in &survey.sessions {
            let (Some(to_line), Some(to_client)) = (session.to_line, session.to_client) else {
                continue;
            };
            let mut history = former.remove(&session.session).unwrap_or_default();
            history.take(now, to_line, to_client);
            self.histories.insert(session.session.clone(), history);
        }
        self.survey = survey;
        self.away = None;
        self.select(self.position());
    }

    pub(super) fn history(&self, session: &Session) -> Option<&History> {
        self.histories.get(&session.session)
    }

    /// Lines in use, clients that wait, and then the other lines.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let lines = self.survey.lines();
        let (in_use, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(Entry::is_in_use);
        let in_use = in_use.into_iter().map(Row::Line);
        let waiting = self.survey.waiting().into_iter().map(Row::Client);
        let others = others.into_iter().map(Row::Line);
        in_use.chain(waiting).chain(others).collect()
    }

    /// Which row is selected: the same line or client as before, and if it is gone, what is there now.
    pub(super) fn position(&self) -> usize {
        let rows = self.rows();
        let same = rows.iter().position(|row| row.key() == self.selected);
        same.unwrap_or_else(|| self.position.min(rows.len().saturating_sub(1)))
    }

    fn select(&mut self, position: usize) {
        let rows = self.rows();
        let position = position.min(rows.len().saturating_sub(1));
        let key = rows.get(position).map(|row| row.key().to_owned());
        self.selected = key.unwrap_or_default();
        self.position = position;
    }

    /// A key was typed; `page` rows are shown at once.
    pub(super) fn press(&mut self, key: Key, page: usize) -> Option<Outcome> {
        self.notice = None;
        if let Some(wish) = self.question.take()
            && !matches!(key, Key::Char(INTERRUPT))
        {
            return (key == Key::Char('y')).then_some(Outcome::Wish(wish));
        }
        let at = self.position();
        match key {
            Key::Char('q' | INTERRUPT) => return Some(Outcome::Quit),
            Key::Up => self.select(at.saturating_sub(1)),
            Key::Down => self.select(at + 1),
            Key::PageUp => self.select(at.saturating_sub(page)),
            Key::PageDown => self.select(at + page),
            Key::Home => self.select(0),
            Key::End => self.select(usize::MAX),
            Key::Char('h') => self.ask_to_hang_up(at),
            Key::Char('d') => return self.drain_or_resume(at),
            Key::Char(_) => {}
        }
        None
    }

    fn ask_to_hang_up(&mut self, at: usize) {
        let rows = self.rows();
        let Some(row) = rows.get(at) else { return };
        match row.session() {
            Some(session) => {
                let where_to = session.line.as_deref();
                let whom = match where_to {
                    Some(line) => format!("{} on {line}", session.client),
                    None => format!("{}, who waits", session.client),
                };
                let session = session.session.clone();
                self.question = Some(Wish::HangUp { session, whom });
            }
            None => self.notice = Some(format!("nobody is on {}", row.key())),
        }
    }

    fn drain_or_resume(&mut self, at: usize) -> Option<Outcome> {
        let rows = self.rows();
        let row = rows.get(at)?;
        let Row::Line(entry) = row else {
            self.notice = Some("that is no line, but a client who waits for one".to_owned());
            return None;
        };
        let line = entry.name().to_owned();
        Some(Outcome::Wish(if row.is_drained() {
            Wish::Resume(line)
        } else {
            Wish::Drain(line)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modemctl::sample;

    fn model() -> Model {
        Model::new(sample::some_lines(), Duration::ZERO)
    }

    fn selected(model: &Model) -> &str {
        assert_eq!(model.rows()[model.position()].key(), model.selected);
        &model.selected
    }

    #[test]
    fn speeds_are_what_went_by_in_the_time_between_two_looks() {
        let mut model = model();
        let mut survey = sample::some_lines();
        let at = survey
            .sessions
            .iter()
            .position(|of| of.line.is_some())
            .unwrap();
        survey.sessions[at].to_line = Some(1536 + 500);
        survey.sessions[at].to_client = Some(0);
        model.take(survey.clone(), Duration::from_millis(500));
        let history = model.history(&survey.sessions[at]).unwrap();
        assert_eq!((history.to_line[0], history.to_client[0]), (1000, 0));
        for second in 1..200 {
            model.take(survey.clone(), Duration::from_secs(second));
        }
        let history = model.history(&survey.sessions[at]).unwrap();
        assert_eq!(history.to_line.len(), SAMPLES);
        survey.sessions.clear();
        model.take(survey, Duration::from_secs(200));
        assert!(model.histories.is_empty());
    }

    #[test]
    fn what_is_selected_stays_so_when_rows_move() {
        let mut model = model();
        assert_eq!(selected(&model), "/dev/ttyS1");
        model.press(Key::End, 5);
        assert_eq!(selected(&model), "/dev/ttyUSB7");
        model.press(Key::Up, 5);
        assert_eq!(selected(&model), "/dev/ttyS3");
        let mut survey = sample::some_lines();
        survey.sessions.clear();
        model.take(survey.clone(), Duration::from_secs(1));
        assert_eq!(selected(&model), "/dev/ttyS3");
        survey.lines.truncate(1);
        model.take(survey, Duration::from_secs(2));
        assert_eq!(selected(&model), "/dev/ttyS1");
    }

    #[test]
    fn nobody_is_hung_up_without_a_yes() {
        let mut model = model();
        assert_eq!(model.press(Key::Char('y'), 5), None);
        for no in [Key::Char('n'), Key::Char('\x1b'), Key::Down] {
            assert_eq!(model.press(Key::Char('h'), 5), None);
            assert!(model.question.is_some());
            assert_eq!(model.press(no, 5), None);
            assert_eq!(model.question, None);
            assert_eq!(model.press(Key::Char('y'), 5), None);
        }
        model.press(Key::Char('h'), 5);
        let wish = Wish::HangUp {
            session: "16275e76514d4ea0".to_owned(),
            whom: "192.168.2.7:50112 on /dev/ttyS1".to_owned(),
        };
        assert_eq!(model.press(Key::Char('y'), 5), Some(Outcome::Wish(wish)));
        model.press(Key::End, 5);
        model.press(Key::Char('h'), 5);
        assert_eq!(model.notice.as_deref(), Some("nobody is on /dev/ttyUSB7"));
    }

    #[test]
    fn a_line_is_taken_out_of_service_or_put_back() {
        let mut model = model();
        let wish = |wish| Some(Outcome::Wish(wish));
        let first = "/dev/ttyS1".to_owned();
        assert_eq!(model.press(Key::Char('d'), 5), wish(Wish::Drain(first)));
        for _ in 0..2 {
            model.press(Key::Down, 5);
        }
        let third = "/dev/ttyUSB8".to_owned();
        assert_eq!(model.press(Key::Char('d'), 5), wish(Wish::Resume(third)));
        model.press(Key::Down, 5);
        assert_eq!(model.press(Key::Char('d'), 5), None);
        assert!(model.notice.is_some());
        assert_eq!(model.press(Key::Char(INTERRUPT), 5), Some(Outcome::Quit));
    }
}
