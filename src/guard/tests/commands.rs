//! Command state without a call.

use super::*;

#[test]
fn echo_words_and_results_are_the_clients_own() {
    let mut desk = Desk::new();
    desk.client("AT\r", "AT\r\r\nOK\r\n");
    desk.client("ATE0\r", "ATE0\r\r\nOK\r\n");
    desk.client("ATV0\r", "0\r");
    desk.client("AT+CMGS=\"0900\"\r", "4\r");
    desk.client("ATV1Q1\r", "");
    desk.client("AT\r", "");
    desk.client("ATQ0\r", "\r\nOK\r\n");
    desk.client("ATS3=88\rATX", "X\nOKX\nX\nOKX\n");
    desk.modem_gets("");
}

#[test]
fn registers_are_the_clients_or_the_modems() {
    let mut desk = Desk::new();
    desk.client("ATE0S2?\r", "ATE0S2?\r\r\n043\r\nOK\r\n");
    desk.client("ATS7?\r", "");
    desk.modem_gets("ATS7?\r");
    desk.modem_says("\r\n050\r\nOK\r\n", "\r\n050\r\nOK\r\n");
    desk.client("ATS2=43S12=50\r", "\r\nOK\r\n");
    desk.client("ATS13=4\r", "\r\nERROR\r\n");
    desk.modem_gets("");
}

#[test]
fn a_slash_repeats_the_line() {
    let mut desk = Desk::new();
    desk.client("ATE0DT030123\r", "ATE0DT030123\r");
    desk.modem_gets("ATDT030123\r");
    desk.modem_says("\r\nBUSY\r\n", "\r\nBUSY\r\n");
    desk.client("A/", "");
    desk.modem_gets("ATDT030123\r");
    desk.modem_says("\r\nBUSY\r\n", "\r\nBUSY\r\n");
    desk.client("ATDT0900\r", "\r\nNO CARRIER\r\n");
    desk.client("A/", "\r\nNO CARRIER\r\n");
    desk.modem_gets("");
}

#[test]
fn commands_go_to_the_modem_one_by_one_and_stop_at_the_first_that_fails() {
    let mut desk = Desk::new();
    desk.client("ATE0&K3M1L2\r", "ATE0&K3M1L2\r");
    desk.modem_gets("AT&K3\r");
    desk.modem_says("\r\nOK\r\n", "");
    desk.modem_gets("ATM1\r");
    desk.modem_says("\r\nERROR\r\n", "\r\nERROR\r\n");
    desk.modem_gets("");
}
