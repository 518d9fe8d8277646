//! A name server of the test's own, which a program on a [`Stage`] asks (RFC 1035).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::stage::Stage;
use crate::support::wait_until;

enum Answer {
    /// `PTR`: labels, as octets.
    Name(Vec<Vec<u8>>),
    Address(Ipv4Addr),
    /// Asked, it says nothing.
    Silence,
}

#[derive(Default)]
struct Zone {
    answers: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

/// A name server that runs until the test ends, and a stage on which nobody else is asked.
pub(crate) struct NameServer {
    stage: Stage,
    zone: Arc<Mutex<Zone>>,
}

impl NameServer {
    /// A name server that knows nobody. Needs root.
    pub(crate) fn start() -> Option<Self> {
        let stage = Stage::new()?;
        let socket = bind();
        let address = socket.local_addr().unwrap().ip();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let answers = Arc::clone(&zone);
        std::thread::spawn(move || serve(&socket, &answers));
        let stage = stage
            // Which is asked first, and so may not know all of whom the tests come as.
            .file("/etc/hosts", "127.0.9.9 in-file.example.org\n")
            .file("/etc/resolv.conf", format!("nameserver {address}\n"))
            .file(
                "/etc/nsswitch.conf",
                "passwd: files\ngroup: files\nservices: files\nhosts: files dns\n",
            );
        Some(NameServer { stage, zone })
    }

    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The address leads to this name.
    pub(crate) fn knows(&self, address: &str, name: &str) {
        let labels = name.split('.').map(|label| label.as_bytes().to_vec());
        self.answer(&reverse(address), Answer::Name(labels.collect()));
    }

    /// The name leads to this address.
    pub(crate) fn resolves(&self, name: &str, address: &str) {
        self.answer(name, Answer::Address(address.parse().unwrap()));
    }

    /// Whoever asks for the name of this address gets no answer at all.
    pub(crate) fn ignores(&self, address: &str) {
        self.answer(&reverse(address), Answer::Silence);
    }

    /// Waits until somebody has asked for the name of this address.
    #[track_caller]
    pub(crate) fn was_asked_about(&self, address: &str) {
        let name = reverse(address);
        wait_until(&format!("a question about {address}"), || {
            self.zone.lock().unwrap().asked.contains(&name)
        });
    }

    /// How many questions there were.
    pub(crate) fn questions(&self) -> usize {
        self.zone.lock().unwrap().asked.len()
    }

    fn answer(&self, name: &str, answer: Answer) {
        let mut zone = self.zone.lock().unwrap();
        zone.answers.insert(name.to_owned(), answer);
    }
}

/// The port is given: `resolv.conf` has none. So the address is our own.
fn bind() -> UdpSocket {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 16;
        let [_, b, c, d] = number.to_be_bytes();
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::new(127, b | 0x80, c, d), 53)) {
            return socket;
        }
    }
}

fn reverse(address: &str) -> String {
    let parts: Vec<_> = address.rsplit('.').collect();
    format!("{}.in-addr.arpa", parts.join("."))
}

fn serve(socket: &UdpSocket, zone: &Mutex<Zone>) {
    let mut buffer = [0; 512];
    while let Ok((count, from)) = socket.recv_from(&mut buffer) {
        let Some(reply) = reply(&buffer[..count], &mut zone.lock().unwrap()) else {
            continue;
        };
        let _ = socket.send_to(&reply, from);
    }
}

fn reply(question: &[u8], zone: &mut Zone) -> Option<Vec<u8>> {
    const PTR: u16 = 12;
    const A: u16 = 1;
    let (name, end) = question_name(question);
    let kind = u16::from_be_bytes([question[end], question[end + 1]]);
    zone.asked.push(name.clone());
    let (known, data) = match zone.answers.get(&name) {
        Some(Answer::Silence) => return None,
        Some(Answer::Name(labels)) if kind == PTR => {
            let mut data = Vec::new();
            for label in labels {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend(label);
            }
            data.push(0);
            (true, Some(data))
        }
        Some(Answer::Address(address)) if kind == A => (true, Some(address.octets().to_vec())),
        Some(_) => (true, None),
        None => (false, None),
    };
    // A response, recursion available; no such name.
    let flags: u16 = if known { 0x8180 } else { 0x8183 };
    let mut reply = question[..2].to_vec();
    reply.extend(flags.to_be_bytes());
    reply.extend([0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    reply.extend(&question[12..end + 4]);
    if let Some(data) = data {
        // The name of the question, class IN, a minute.
        reply.extend([0xC0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend(data);
    }
    Some(reply)
}

/// The name asked for, and where it ends.
fn question_name(question: &[u8]) -> (String, usize) {
    let mut at = 12;
    let mut labels = Vec::new();
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}
