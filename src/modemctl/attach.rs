//! `modemctl attach`: a serial line of another machine as a device here.

use std::env;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::trouble::note;
use crate::attach::{self, Failure, Options};
use crate::config::{
    AttachmentError, Attachments, LineSettings, Mistake, Protocol, Services, Target,
};
use crate::exit_code;

/// Where the links of those in `attach.toml` are, also as `/dev/modemd`.
const LINKS: &str = "/run/modemd/tty";

/// What the command line says beside what is to be attached.
pub(super) struct Wishes<'a> {
    pub(super) link: Option<&'a Path>,
    pub(super) raw: bool,
    pub(super) line: Option<LineSettings>,
    pub(super) config: &'a Path,
}

pub(super) fn run(socket: &Path, what: &str, wishes: &Wishes<'_>) -> ExitCode {
    let options = if what.contains(':') {
        of_server(what, wishes)
    } else {
        of_name(what, wishes)
    };
    let mut options = match options {
        Ok(options) => options,
        Err(code) => return code,
    };
    options.folders = folders(socket);
    match attach::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(&failure);
            match failure {
                Failure::Device { source, .. } | Failure::System { source, .. }
                    if source.kind() == io::ErrorKind::PermissionDenied =>
                {
                    ExitCode::from(exit_code::NOT_PERMITTED)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// In which folders there may be sockets of those that are attached: the system's, and the user's own.
pub(super) fn folders(socket: &Path) -> Vec<PathBuf> {
    let mut folders = vec![socket.with_file_name("attach")];
    // Base Directory Specification: relative paths are to be ignored.
    let own = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own.filter(|folder| folder.is_absolute());
    let own = own.map(|folder| folder.join("modemd/attach"));
    folders.extend(own.filter(|own| *own != folders[0]));
    folders
}

/// A line that nothing is written of anywhere.
fn of_server(text: &str, wishes: &Wishes<'_>) -> Result<Options, ExitCode> {
    let server = match Target::parse(text, &Services::load()) {
        Ok(server) => server,
        Err(Mistake { message, remedy }) => return Err(wrong(&format!("{message}: {remedy}"))),
    };
    let link = wishes.link.map(Path::to_owned);
    let of_link = link.as_deref().and_then(Path::file_name);
    let name = of_link.map_or_else(
        || server.to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let protocol = if wishes.raw {
        Protocol::Raw
    } else {
        Protocol::Telnet
    };
    Ok(Options {
        name,
        server,
        protocol,
        line: wishes.line,
        link,
        folders: Vec::new(),
    })
}

/// One of `attach.toml`.
fn of_name(name: &str, wishes: &Wishes<'_>) -> Result<Options, ExitCode> {
    if wishes.raw || wishes.line.is_some() {
        let file = wishes.config.display();
        let text = format!("{name}: --raw and --line are for HOST:PORT: write it into {file}");
        return Err(wrong(&text));
    }
    let attachments = Attachments::load(wishes.config);
    let found = attachments.get(name).map_err(|error| {
        let (way_out, code) = match error {
            AttachmentError::Disabled { .. } => ("", exit_code::CONFIGURATION),
            AttachmentError::Unknown { .. } => (
                ", or name the line itself as HOST:PORT",
                exit_code::CONFIGURATION,
            ),
            AttachmentError::Unreadable { .. } => {
                (", or the line itself as HOST:PORT", exit_code::NO_INPUT)
            }
        };
        note(&format!("{error}{way_out}"));
        ExitCode::from(code)
    })?;
    let link = wishes.link.map(Path::to_owned);
    Ok(Options {
        name: found.name.clone(),
        server: found.server.clone(),
        protocol: found.protocol,
        line: found.line,
        link: Some(link.unwrap_or_else(|| Path::new(LINKS).join(name))),
        folders: Vec::new(),
    })
}

/// The command line makes no sense, as clap has it.
fn wrong(what: &impl Display) -> ExitCode {
    note(what);
    ExitCode::from(2)
}
