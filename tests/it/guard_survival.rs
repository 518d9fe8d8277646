//! A guard that one process leaves to the next.

use std::io::Write;

use nix::sys::signal::Signal::{SIGKILL, SIGUSR1};

use modemd::at::temperament::Temperament;

use crate::guarded::{ALLOW, Bank, ECHO, FORBIDDEN, escape, told};
use crate::service::Service;
use crate::support::read_until;

/// A service with one guarded modem.
fn service(bank: &Bank) -> Service {
    let ports = format!(
        "[ports.modem]\nallow = [\"localhost\"]\ndevices = {:?}\n[ports.modem.dial]\n{ALLOW}",
        bank.guarded()
    );
    Service::new(&["modem"], &ports)
}

#[test]
fn the_guard_goes_on_over_restarts_and_crashes_in_every_state_of_a_call() {
    let bank = Bank::of(&[Temperament::hayes()]);
    let mut service = service(&bank);
    let mut client = service.connect();
    told(&mut client, "ATE0", "OK\r\n");
    for signal in [SIGUSR1, SIGKILL, SIGUSR1, SIGKILL] {
        let restart = |service: &mut Service| {
            service.rests();
            service.restart(signal);
        };
        // While a command is typed.
        client.write_all(b"ATDT0900").unwrap();
        restart(&mut service);
        told(&mut client, "123456", "NO CARRIER\r\n");
        // In a call.
        told(&mut client, &format!("ATDT{ECHO}"), "CONNECT 115200\r\n");
        restart(&mut service);
        client.write_all(b"+++ATDT0900123456\r").unwrap();
        read_until(&mut client, b"+++ATDT0900123456\r");
        // In the client's command state.
        escape(&mut client);
        restart(&mut service);
        told(&mut client, &format!("ATDT{FORBIDDEN}"), "ERROR\r\n");
        told(&mut client, "ATO", "CONNECT\r\n");
        client.write_all(b"here again").unwrap();
        read_until(&mut client, b"here again");
        escape(&mut client);
        told(&mut client, "ATH", "OK\r\n");
        told(&mut client, &format!("ATDT{FORBIDDEN}"), "NO CARRIER\r\n");
    }
    assert_eq!(bank.dialled(), [ECHO; 4]);
}

#[test]
fn a_restart_does_not_make_rules_wider_for_who_is_there_already() {
    let bank = Bank::of(&[Temperament::hayes()]);
    let mut service = service(&bank);
    let mut client = service.connect();
    told(&mut client, "ATE0", "OK\r\n");
    service.rests();
    service.end(SIGUSR1);
    let ports = format!(
        "[ports.modem]\nallow = [\"localhost\"]\ndevices = {:?}\n",
        bank.guarded()
    );
    service.configure(&ports);
    service.begin();
    told(&mut client, &format!("ATDT{FORBIDDEN}"), "NO CARRIER\r\n");
    assert_eq!(bank.dialled(), [""; 0]);
}
