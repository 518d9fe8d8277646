//! `mserver.conf`, as the Modem Sharing mini-HOWTO has it: `5800 /dev/ttyS1 115200,8,N,1 *.foo.org,192.168.2.1`.
//!
//! Port, device, settings, and perhaps who may come. Several lines with one port are a pool.

use super::draft::{Access, Draft, Findings};
use super::{Source, address};
use crate::config::{LineSettings, Services};

pub(super) fn read(source: &Source<'_>, services: &Services, found: &mut Findings) {
    let first = found.ports.len();
    // The port of each draft, as it was written.
    let mut ports: Vec<String> = Vec::new();
    for (number, line) in source.lines() {
        let place = source.place(number);
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<_> = line.split_whitespace().collect();
        let (port, device, settings, hosts) = match words[..] {
            [] => continue,
            [port, device, settings, ref hosts @ ..] if device.starts_with('/') => {
                (port, device, settings, hosts)
            }
            [port, device] if device.starts_with('/') => (port, device, "", &[][..]),
            _ => {
                found.trouble(
                    place,
                    format!(
                        "`{}`: not a line of the kind PORT DEVICE BAUD,DATA,PARITY,STOP HOSTS",
                        line.trim()
                    ),
                );
                continue;
            }
        };
        let mut draft = Draft::new(place, format!("port {port} of Masqdialer"));
        draft.listen(address::endpoints(
            address::Family::Both,
            None,
            port,
            services,
        ));
        draft.device(device);
        if settings.is_empty() {
            draft.remark("the speed is not in the file: modemd's default is 115200,8,N,1");
        } else {
            draft.line = Some(match settings.parse::<LineSettings>() {
                Ok(settings) => settings.to_string(),
                Err(_) => settings.to_owned(),
            });
        }
        if !hosts.is_empty() {
            let hosts = hosts.iter().flat_map(|hosts| hosts.split(','));
            let hosts = hosts.filter(|host| !host.is_empty());
            draft.access = Access::Only(hosts.map(host).collect());
        }
        let pools = found.ports[first..].iter_mut().zip(&ports);
        let mut pools = pools.filter(|(_, of)| *of == port).map(|(pool, _)| pool);
        if let Some(pool) = pools.next()
            && join(pool, &mut draft)
        {
            continue;
        }
        found.ports.push(draft);
        ports.push(port.to_owned());
    }
}

/// A host as `allow` has it.
fn host(text: &str) -> String {
    // `192.168.2.*`
    let octets: Vec<_> = text.split('.').collect();
    let named = octets.iter().take_while(|octet| **octet != "*").count();
    let is_octet = |octet: &&str| octet.parse::<u8>().is_ok();
    if octets.len() == 4 && (1..4).contains(&named) {
        let (numbers, rest) = octets.split_at(named);
        if numbers.iter().all(is_octet) && rest.iter().all(|octet| *octet == "*") {
            let zeros = ".0".repeat(4 - named);
            return format!("{}{zeros}/{}", numbers.join("."), named * 8);
        }
    }
    text.to_owned()
}

/// Makes a draft one more line of a pool, if that can be.
fn join(pool: &mut Draft, draft: &mut Draft) -> bool {
    if pool.line != draft.line {
        draft.obstacle(format!(
            "all lines of a pool have the same settings, and those of {} are others",
            pool.place
        ));
        return false;
    }
    if pool.access != draft.access {
        // Who may use one of the modems is not let to the other.
        let (Access::Only(hosts), Access::Only(others)) = (&mut pool.access, &draft.access) else {
            draft.obstacle(format!(
                "all lines of a pool are for the same machines, and {} is for others",
                pool.place
            ));
            return false;
        };
        let here = hosts.iter().filter(|host| !others.contains(host));
        let there = others.iter().filter(|host| !hosts.contains(host));
        let out: Vec<_> = here.chain(there).cloned().collect();
        hosts.retain(|host| others.contains(host));
        pool.remark(format!(
            "left out of `allow`, since not all lines of the pool were for them: {}",
            out.join(", ")
        ));
    }
    pool.remark(format!("{}: a line of it, too", draft.place));
    pool.devices.append(&mut draft.devices);
    pool.obstacles.append(&mut draft.obstacles);
    true
}
