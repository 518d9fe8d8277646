//! What the tests share: a modemd that runs, lines that are pseudo terminals, waiting on conditions.
//!

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::Pid;

/// How long anything may take before a test gives up. No test's result depends on it: it is what a
/// machine that is ten times too slow may need.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something, and says what was waited for if it never does.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `condition` is true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Whether all `programs` are installed. Without them a test returns early, which is said on stderr
/// past the test harness's capture; in CI, where nothing may be skipped, it fails.
#[track_caller]
pub(crate) fn have(programs: &[&str]) -> bool {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| {
            !path
                .split(':')
                .any(|dir| Path::new(dir).join(program).exists())
        })
        .collect();
    missing.is_empty() || skip(&format!("not installed: {missing:?}"))
}

/// Whether Debian's Python is there, with its module for serial lines, as [`have`].
#[track_caller]
pub(crate) fn have_pyserial() -> bool {
    have(&["python3"]) && {
        let there = Path::new("/usr/lib/python3/dist-packages/serial").exists();
        there || skip("not installed: python3-serial")
    }
}

/// Debian's Python, whichever others there are.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Whether we are root, as [`have`].
#[track_caller]
pub(crate) fn root() -> bool {
    nix::unistd::geteuid().is_root() || skip("needs root")
}

/// Says why a test cannot run; false, for the caller to return on.
#[track_caller]
pub(crate) fn skip(why: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    assert!(
        std::env::var_os("CI").is_none(),
        "{test} may not be skipped in CI: {why}"
    );
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {why}");
    false
}

/// A directory of this test's own, gone when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "modemd-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The modem's end of a line: what modemd opens is [`Modem::device`], what it writes arrives here.
pub(crate) struct Modem {
    master: File,
    device: PathBuf,
}

impl Modem {
    /// A new pseudo terminal, raw and non-blocking.
    pub(crate) fn new() -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let device = PathBuf::from(ptsname_r(&master).unwrap());
        let slave = File::options()
            .read(true)
            .write(true)
            .open(&device)
            .unwrap();
        let mut raw = tcgetattr(&slave).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&slave, SetArg::TCSANOW, &raw).unwrap();
        let master = File::from(master.as_fd().try_clone_to_owned().unwrap());
        fcntl(
            &master,
            FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK),
        )
        .unwrap();
        Modem { master, device }
    }

    pub(crate) fn device(&self) -> &Path {
        &self.device
    }

    pub(crate) fn device_name(&self) -> &str {
        self.device.to_str().unwrap()
    }

    /// The descriptor itself, for threads that shovel.
    pub(crate) fn master(&self) -> &File {
        &self.master
    }

    /// Whether its descriptor blocks, as threads that shovel like it. Non-blocking it is at first.
    pub(crate) fn set_blocking(&self, blocks: bool) {
        let mode = if blocks {
            OFlag::empty()
        } else {
            OFlag::O_NONBLOCK
        };
        fcntl(&self.master, FcntlArg::F_SETFL(OFlag::O_RDWR | mode)).unwrap();
    }

    /// Says of `bytes` what the kernel takes until it takes nothing for a while, and returns how
    /// many that were.
    pub(crate) fn say_until_stuck(&self, bytes: &[u8]) -> usize {
        let mut said = 0;
        let mut since = Instant::now();
        while said < bytes.len() && since.elapsed() < Duration::from_secs(1) {
            if let Ok(count) = (&self.master).write(&bytes[said..]) {
                said += count;
                since = Instant::now();
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        said
    }

    /// Reads until `expected` has come, and returns all that came.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[u8]) -> Vec<u8> {
        let mut got = Vec::new();
        wait_until(
            &format!("{:?} at the modem", String::from_utf8_lossy(expected)),
            || {
                got.extend(self.read_now());
                contains(&got, expected)
            },
        );
        got
    }

    /// What has arrived by now. Nothing while no one has the line open.
    pub(crate) fn read_now(&self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        match (&self.master).read(&mut buffer) {
            Ok(count) => buffer[..count].to_vec(),
            Err(_) => Vec::new(),
        }
    }

    /// Says `bytes`, as far as the kernel takes them at once.
    pub(crate) fn say(&self, bytes: &[u8]) {
        (&self.master).write_all(bytes).unwrap();
    }
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// A modemd (or a program that starts it) that runs, and what it logs.
pub(crate) struct Running {
    child: Child,
    log: Arc<(Mutex<Vec<String>>, Condvar)>,
}

/// The modemd under test.
pub(crate) fn modemd() -> Command {
    Command::new(env!("CARGO_BIN_EXE_modemd"))
}

/// A modemd that shares `devices` on a free port of 127.0.0.1, with its own lock directory and
/// without a change of user; `more` goes in front of the devices.
pub(crate) fn share(devices: &[&Path], locks: &Path, more: &[&str]) -> Running {
    let mut command = modemd();
    command
        .args(["--listen", "127.0.0.1:0", "--user", "root", "--lock-dir"])
        .arg(locks);
    command.args(more).args(devices);
    Running::start(command)
}

/// A modemd that serves a configuration file by itself. `[server] user = "root"` and `lock_dir`
/// come first; `ports` is the rest of the file.
pub(crate) fn standalone(scratch: &Scratch, ports: &str) -> Running {
    Running::start(standalone_command(scratch, ports))
}

/// How that is started.
pub(crate) fn standalone_command(scratch: &Scratch, ports: &str) -> Command {
    let locks = scratch.path();
    let config = scratch.file(
        "modemd.toml",
        format!(
            "[server]\nuser = \"root\"\nlock_dir = \"{}\"\n{ports}",
            locks.display()
        ),
    );
    let mut command = modemd();
    command.arg("--standalone").arg("--config").arg(config);
    command
}

impl Running {
    /// Starts `command` and collects its stderr.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_on(command, Stdio::null())
    }

    /// Starts `command` with this on its standard input, as inetd would.
    pub(crate) fn start_on(mut command: Command, stdin: impl Into<Stdio>) -> Self {
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let lines = BufReader::new(child.stderr.take().unwrap());
        let into = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                into.0.lock().unwrap().push(line);
                into.1.notify_all();
            }
        });
        Running { child, log }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// Waits for a line of the log that contains `text`, and returns the first one.
    #[track_caller]
    pub(crate) fn logged(&self, text: &str) -> String {
        self.logged_times(text, 1).swap_remove(0)
    }

    /// Waits until `count` lines of the log contain `text`.
    #[track_caller]
    pub(crate) fn logged_times(&self, text: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let (lines, came) = &*self.log;
        let mut lines = lines.lock().unwrap();
        loop {
            let found: Vec<_> = lines
                .iter()
                .filter(|line| line.contains(text))
                .cloned()
                .collect();
            if found.len() >= count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {count} times {text:?} in {lines:#?}"
            );
            lines = came.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// All that was logged by now.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.0.lock().unwrap().clone()
    }

    /// Where the port of this name listens.
    #[track_caller]
    pub(crate) fn address_of(&self, port: &str) -> SocketAddr {
        let line = self.logged(&format!("{port}: listening on "));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// Where the port of a command line listens.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address_of("modem")
    }

    /// A new client of the port of a command line.
    #[track_caller]
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(mut self) -> (ExitStatus, Vec<String>) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        let log = self.log();
        (status, log)
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of a process", || self.child.try_wait().unwrap())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What `/proc/PID/status` says under this name.
    pub(crate) fn proc_status(&self, name: &str) -> String {
        proc_status(self.pid(), name).unwrap_or_default()
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who is alive, does nothing, and is gone when dropped.
pub(crate) struct Sleeper(Child);

impl Sleeper {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("sleep");
        // A test that fails must not leave somebody behind who keeps our output open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let sleeper = Sleeper(command.arg("999").spawn().unwrap());
        // It has its name a moment after it was started.
        wait_until("the name of a process", || {
            let name = proc_status(sleeper.pid().try_into().unwrap(), "Name");
            name.is_some_and(|name| name == "sleep")
        });
        sleeper
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A field of `/proc/PID/status`.
pub(crate) fn proc_status(pid: i32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")))?;
    Some(line.trim().to_owned())
}

/// A connection whose reads give up after [`PATIENCE`].
#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A TCP port of 127.0.0.1 that is free, for programs that want to be told one: below those that
/// the kernel gives away by itself (`ip_local_port_range`), so that it stays free.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    wait_for("a free port", || {
        let number = std::process::id() * 31 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from(number % 12_000).unwrap();
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// A connection to a program that may not listen yet.
#[track_caller]
pub(crate) fn connect_when_up(port: u16) -> TcpStream {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_until("a listener", || is_listening(port));
    connect(address)
}

/// Whether somebody listens at this TCP port of 127.0.0.1, without a connection more or less.
pub(crate) fn is_listening(port: u16) -> bool {
    let here = format!(" 0100007F:{port:04X} 00000000:0000 0A ");
    std::fs::read_to_string("/proc/net/tcp")
        .unwrap()
        .contains(&here)
}

/// Breaks a connection, which ends its session at once: after a mere close the line could go on
/// talking.
pub(crate) fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads until `expected` has come, and returns all that came.
#[track_caller]
pub(crate) fn read_until(stream: &mut impl Read, expected: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while !contains(&got, expected) {
        let count = stream.read(&mut buffer).unwrap_or_else(|error| {
            panic!("{error} after {:?}", String::from_utf8_lossy(&got));
        });
        assert!(
            count > 0,
            "end of file after {:?}",
            String::from_utf8_lossy(&got)
        );
        got.extend(&buffer[..count]);
    }
    got
}

/// Checks that bytes pass both ways between a client and the modem it has.
#[track_caller]
pub(crate) fn assert_talks(client: &mut (impl Read + Write), modem: &Modem) {
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    modem.say(b"OK\r\n");
    read_until(client, b"OK\r\n");
}

/// Reads to the end.
#[track_caller]
pub(crate) fn read_all(stream: &mut impl Read) -> Vec<u8> {
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    got
}

/// The names in a directory, sorted.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The lock files in a directory.
pub(crate) fn locks_in(directory: &Path) -> Vec<String> {
    let mut names = names_in(directory);
    names.retain(|name| name.starts_with("LCK.."));
    names
}

/// The `[ports.modem]` of a configuration file: a free port of 127.0.0.1 that shares `devices`, with
/// `more` keys.
pub(crate) fn port(devices: &[&Path], more: &str) -> String {
    format!(
        "[ports.modem]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"localhost\"]\ndevices = {devices:?}\n{more}\n"
    )
}

/// So many bytes that nobody can guess.
pub(crate) fn random(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut source = File::open("/dev/urandom").unwrap();
    source.read_exact(&mut bytes).unwrap();
    bytes
}

/// Reads as many bytes as are `expected`, and compares them as they come.
#[track_caller]
pub(crate) fn read_exactly(mut from: impl Read, expected: &[u8]) {
    let mut buffer = vec![0; 64 * 1024];
    let mut done = 0;
    while done < expected.len() {
        let room = buffer.len().min(expected.len() - done);
        let count = from
            .read(&mut buffer[..room])
            .unwrap_or_else(|error| panic!("{error} after {done} bytes"));
        assert!(count > 0, "end of file after {done} bytes");
        let as_sent = buffer[..count] == expected[done..done + count];
        assert!(as_sent, "other bytes than sent, after {done}");
        done += count;
    }
}

/// A program that ends when it takes far too long, so that nobody who reads from it waits for ever.
pub(crate) fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.arg((2 * PATIENCE).as_secs().to_string());
    command.arg(program);
    command
}

/// A [`bounded`] program that is gone when dropped.
pub(crate) struct Client(pub(crate) Child);

impl Client {
    pub(crate) fn terminate(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // `timeout(1)` hands it on.
            let pid = Pid::from_raw(self.0.id().try_into().unwrap());
            let _ = kill(pid, Signal::SIGTERM);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.terminate();
        let _ = self.0.wait();
    }
}

/// What the kernel knows of the server's end of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerEnd {
    /// The client has closed its sending side, and the server knows.
    pub(crate) half_closed: bool,
    /// How many octets the client has not acknowledged yet.
    pub(crate) unacknowledged: usize,
    /// How many octets the server has not read yet.
    pub(crate) unread: usize,
}

/// Looks at the server's end of `client`'s IPv4 connection (`proc_net_tcp` in the kernel's
/// documentation); nothing when there is none any more.
pub(crate) fn server_end(client: SocketAddr, server: SocketAddr) -> Option<ServerEnd> {
    const CLOSE_WAIT: &str = "08";
    let shown = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => format!(
            "{:08X}:{:04X}",
            u32::from_ne_bytes(v4.ip().octets()),
            v4.port()
        ),
        SocketAddr::V6(_) => panic!("{address} is no IPv4 address"),
    };
    let ends = format!(" {} {} ", shown(server), shown(client));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let row = table.lines().find_map(|row| row.split_once(&ends))?.1;
    let mut fields = row.split_whitespace();
    let state = fields.next()?;
    let (unacknowledged, unread) = fields.next()?.split_once(':')?;
    let [unacknowledged, unread] =
        [unacknowledged, unread].map(|count| usize::from_str_radix(count, 16).unwrap());
    Some(ServerEnd {
        // The end of the stream counts as one octet until it is read.
        half_closed: state == CLOSE_WAIT && unread == 0,
        unacknowledged,
        unread,
    })
}
