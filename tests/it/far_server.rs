//! A server with COM port control that does what a test says, and nothing by itself: for what no pseudo terminal
//! can show, signals and silence.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use modemd::com_port::{BaudRate, Message, Sender};
use modemd::telnet::{Event, Role, Side, Telnet, TelnetOption};

use crate::support::{contains, wait_for, wait_until};

/// Where clients come to.
pub(crate) struct FarServer(TcpListener);

impl FarServer {
    pub(crate) fn new() -> FarServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        FarServer(listener)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Whether somebody has come.
    pub(crate) fn come(&self) -> Option<TcpStream> {
        let (client, _) = self.0.accept().ok()?;
        client.set_nonblocking(true).unwrap();
        Some(client)
    }

    /// Waits for somebody.
    #[track_caller]
    pub(crate) fn accept(&self) -> TcpStream {
        wait_for("a client", || self.come())
    }

    /// Waits for somebody, and gives a line.
    #[track_caller]
    pub(crate) fn serve(&self) -> FarClient {
        let mut client = FarClient::new(self.accept());
        let mut out = Vec::new();
        let telnet = &mut client.telnet;
        telnet.want(TelnetOption::Binary, Side::Us, &mut out);
        telnet.want(TelnetOption::Binary, Side::Them, &mut out);
        telnet.want(TelnetOption::ComPort, Side::Them, &mut out);
        client.write(&out);
        client.hear_until("COM port control", |client| {
            client.telnet.is_on(TelnetOption::ComPort, Side::Them)
        });
        client
    }
}

/// One client, and what it has said.
pub(crate) struct FarClient {
    stream: TcpStream,
    telnet: Telnet,
    pub(crate) data: Vec<u8>,
    pub(crate) messages: Vec<Message>,
    pub(crate) breaks: usize,
    pub(crate) is_gone: bool,
    /// Whether everything that it sets and asks for is answered, with what it sets; questions with 9600 baud.
    pub(crate) answers: bool,
}

impl FarClient {
    pub(crate) fn new(stream: TcpStream) -> FarClient {
        FarClient {
            stream,
            telnet: Telnet::new(Role::Server),
            data: Vec::new(),
            messages: Vec::new(),
            breaks: 0,
            is_gone: false,
            answers: true,
        }
    }

    pub(crate) fn write(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            match self.stream.write(octets) {
                Ok(count) => octets = &octets[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(_) => {
                    self.is_gone = true;
                    return;
                }
            }
        }
    }

    /// Says what the line says.
    pub(crate) fn say(&mut self, data: &[u8]) {
        let mut out = Vec::new();
        self.telnet.send(data, &mut out);
        self.write(&out);
    }

    pub(crate) fn tell(&mut self, message: &Message) {
        let mut out = Vec::new();
        let content = message.encode(Sender::Server);
        self.telnet
            .subnegotiate(TelnetOption::ComPort, &content, &mut out);
        self.write(&out);
    }

    /// Takes in what has come by now.
    pub(crate) fn hear(&mut self) {
        let mut octets = [0; 4096];
        let count = match self.stream.read(&mut octets) {
            Ok(0) => {
                self.is_gone = true;
                return;
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => {
                self.is_gone = true;
                return;
            }
        };
        let (mut input, mut out, mut came) = (&octets[..count], Vec::new(), Vec::new());
        while let Some(event) = self.telnet.receive(&mut input, &mut out) {
            match event {
                Event::Data(data) => self.data.extend_from_slice(data),
                Event::Break => self.breaks += 1,
                Event::Subnegotiation(_, content) => {
                    came.extend(Message::decode(&content, Sender::Client));
                }
                _ => {}
            }
        }
        self.write(&out);
        for message in came {
            let answer = match &message {
                Message::BaudRate(rate) if rate.rate() == 0 => {
                    Message::BaudRate(BaudRate::Wide(9600))
                }
                Message::DataSize(0) => Message::DataSize(8),
                Message::Parity(0) | Message::StopSize(0) | Message::Control(0) => match message {
                    Message::Parity(_) => Message::Parity(1),
                    Message::StopSize(_) => Message::StopSize(1),
                    _ => Message::Control(1),
                },
                other => other.clone(),
            };
            self.messages.push(message);
            if self.answers {
                self.tell(&answer);
            }
        }
    }

    #[track_caller]
    pub(crate) fn hear_until(&mut self, what: &str, condition: impl Fn(&FarClient) -> bool) {
        wait_until(what, || {
            self.hear();
            condition(self)
        });
    }

    /// Waits until the client has said this to the line, and nothing else.
    #[track_caller]
    pub(crate) fn expect(&mut self, data: &[u8]) {
        self.hear_until(&format!("{:?}", String::from_utf8_lossy(data)), |client| {
            client.data.len() >= data.len()
        });
        assert_eq!(self.data, data);
        self.data.clear();
    }

    /// Waits until these octets have come, among whatever else, and answers nothing.
    #[track_caller]
    pub(crate) fn expect_raw(&mut self, expected: &[u8]) {
        let mut came = Vec::new();
        wait_until(&format!("{:?}", String::from_utf8_lossy(expected)), || {
            let mut octets = [0; 4096];
            if let Ok(count) = self.stream.read(&mut octets) {
                came.extend_from_slice(&octets[..count]);
            }
            contains(&came, expected)
        });
    }

    /// Waits until it has closed the connection.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        self.hear_until("the end of the connection", |client| client.is_gone);
    }
}
