//! Bytes whose every one can be checked, and telnet as a client sees it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use crate::modem::{Modem, PATIENCE};
use crate::server::NUMBER;

/// Odd, so that no buffer size of anybody divides it.
const PERIOD: usize = 1_048_573;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stream {
    /// Random octets.
    #[default]
    Any,
    /// The same with line feeds for carriage returns: no modem would ever find the end of a command line in it.
    NoReturns,
}

impl Stream {
    /// Its octets, over and over; those of [`Self::chunk`] at any place without copying.
    fn octets(self) -> &'static [u8] {
        static OCTETS: [OnceLock<Vec<u8>>; 2] = [const { OnceLock::new() }; 2];
        OCTETS[self as usize].get_or_init(|| {
            // xorshift64 (Marsaglia 2003).
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                match state.to_be_bytes()[3] {
                    b'\r' | 0x8d if self == Stream::NoReturns => b'\n',
                    octet => octet,
                }
            };
            let period: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
            [&period[..], &period[..MOST]].concat()
        })
    }

    /// So many octets, from this place.
    pub(crate) fn chunk(self, at: u64, length: usize) -> &'static [u8] {
        let begin = usize::try_from(at % PERIOD as u64).expect("less than the period");
        &self.octets()[begin..begin + length]
    }
}

/// The most that [`Stream::chunk`] gives.
pub(crate) const MOST: usize = 256 * 1024;

/// Checks what arrives against the stream.
#[derive(Default)]
pub(crate) struct Check {
    pub(crate) stream: Stream,
    /// How many octets have come.
    pub(crate) seen: u64,
}

impl Check {
    pub(crate) fn take(&mut self, octets: &[u8]) -> Result<(), String> {
        for part in octets.chunks(MOST) {
            let sent = self.stream.chunk(self.seen, part.len());
            if part != sent {
                let wrong = part.iter().zip(sent);
                let wrong = wrong.take_while(|(is, should)| is == should);
                return Err(format!(
                    "byte {} is not what was sent",
                    self.seen + wrong.count() as u64
                ));
            }
            self.seen += part.len() as u64;
        }
        Ok(())
    }
}

const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
const WILL: u8 = 251;
const DO: u8 = 253;
const BINARY: u8 = 0;
const COM_PORT: u8 = 44;

/// A connection to the server under test.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) hearing: Option<Hearing>,
}

impl Client {
    /// Without waiting for anything.
    pub(crate) fn connect(to: &str, telnet: bool) -> io::Result<Client> {
        let mut socket = TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_millis(PATIENCE.into())))?;
        if telnet {
            socket.write_all(&[IAC, WILL, BINARY, IAC, DO, BINARY, IAC, WILL, COM_PORT])?;
        }
        Ok(Client {
            socket,
            hearing: telnet.then(Hearing::default),
        })
    }

    /// Connects, and waits until an octet gets through to the modem and back. Whatever came before that
    /// one is not the modem's.
    pub(crate) fn through(to: &str, telnet: bool, modem: &Modem) -> Result<Client, String> {
        let client = Client::connect(to, telnet).map_err(|error| error.to_string())?;
        client.gets_through(modem)
    }

    /// Connects to a port with a guard, and makes the call that it allows.
    pub(crate) fn in_call(to: &str, modem: &Modem) -> Result<Client, String> {
        const CONNECT: &str = "\r\nCONNECT 115200\r\n";
        let text = |error: io::Error| error.to_string();
        let mut client = Client::connect(to, false).map_err(text)?;
        write!(client.socket, "ATD{NUMBER}\r").map_err(text)?;
        modem.obey_until_dialled(CONNECT).map_err(text)?;
        let (mut told, mut octet) = (Vec::new(), [0]);
        while !told.ends_with(CONNECT.as_bytes()) {
            told.extend(client.read(&mut octet).map_err(text)?);
        }
        client.gets_through(modem)
    }

    fn gets_through(mut self, modem: &Modem) -> Result<Client, String> {
        let text = |error: io::Error| error.to_string();
        let client = &mut self;
        client.socket.write_all(b"?").map_err(text)?;
        modem.read(&mut [0]).map_err(text)?;
        modem.write_all(b"!").map_err(text)?;
        client.until(b'!').map_err(text)?;
        Ok(self)
    }

    /// Reads until this octet comes, as the last one.
    pub(crate) fn until(&mut self, octet: u8) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            let data = self.read(&mut buffer)?;
            if data.last() == Some(&octet) {
                return Ok(());
            }
        }
    }

    /// Data of the modem, in place; at least one octet.
    pub(crate) fn read<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        loop {
            let count = match self.socket.read(buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => count,
            };
            let data = match &mut self.hearing {
                None => count,
                Some(hearing) => hearing.strip(&mut buffer[..count]),
            };
            if data > 0 {
                return Ok(&buffer[..data]);
            }
        }
    }
}

/// Where a telnet client is between two octets.
#[derive(Default, Clone, Copy)]
pub(crate) enum Hearing {
    #[default]
    Data,
    Iac,
    Option,
    Sub,
    SubIac,
}

impl Hearing {
    /// Leaves the data at the front; tells how much.
    fn strip(&mut self, octets: &mut [u8]) -> usize {
        let mut data = 0;
        let mut at = 0;
        while at < octets.len() {
            if let Hearing::Data = self {
                let rest = &octets[at..];
                let length = memchr::memchr(IAC, rest).unwrap_or(rest.len());
                octets.copy_within(at..at + length, data);
                data += length;
                at += length;
                if at < octets.len() {
                    *self = Hearing::Iac;
                    at += 1;
                }
                continue;
            }
            let octet = octets[at];
            at += 1;
            *self = match (*self, octet) {
                (Hearing::Iac, IAC) => {
                    octets[data] = IAC;
                    data += 1;
                    Hearing::Data
                }
                (Hearing::Iac, SB) => Hearing::Sub,
                (Hearing::Iac, WILL..=254) => Hearing::Option,
                (Hearing::Sub, IAC) => Hearing::SubIac,
                (Hearing::SubIac, SE) | (Hearing::Iac | Hearing::Option | Hearing::Data, _) => {
                    Hearing::Data
                }
                (Hearing::Sub | Hearing::SubIac, _) => Hearing::Sub,
            };
        }
        data
    }
}

/// Data as a telnet client sends it.
pub(crate) fn doubled(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / 128);
    for part in data.split_inclusive(|octet| *octet == IAC) {
        out.extend_from_slice(part);
        if part.ends_with(&[IAC]) {
            out.push(IAC);
        }
    }
    out
}
