//! Pools, some of them of lines that are not there.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_place_in_the_queue_is_the_number_of_those_before_and_oneself(
        leaving in prop::collection::vec((any::<bool>(), 0..8_usize), 0..40)
    ) {
        let queue = Queue::default();
        let mut places = Vec::new();
        for (leaves, which) in leaving {
            if leaves && which < places.len() {
                drop(places.remove(which));
            } else {
                places.push(queue.place_at_the_end());
            }
            let numbers: Vec<_> = places.iter().map(queue::Place::number).collect();
            prop_assert_eq!(numbers, (1..=places.len()).collect::<Vec<_>>());
        }
    }
}

fn pool(devices: &[&str]) -> Pool {
    let nowhere = LockDirectory::new(Some("/nonexistent".into()), None);
    let devices = devices.iter().map(PathBuf::from).collect();
    Pool::new(
        devices,
        LineSettings::default(),
        None,
        nowhere.into(),
        Rc::default(),
        Rc::default(),
    )
}

#[test]
fn a_line_that_a_session_brought_along_is_tried_last_until_it_is_released() {
    let pool = pool(&["/dev/b", "/dev/a", "/dev/c"]);
    let round = || pool.order.borrow().round().collect::<Vec<_>>();
    pool.occupy(Path::new("/dev/b"));
    pool.occupy(Path::new("/dev/of-another-port"));
    assert_eq!(round(), [1, 2, 0]);
    pool.release(Path::new("/dev/of-another-port"));
    pool.release(Path::new("/dev/b"));
    assert_eq!(round(), [0, 1, 2]);
}

#[test]
fn the_reasons_come_as_configured_whatever_was_tried_first() {
    let pool = pool(&["/nonexistent/1", "/nonexistent/2", "/nonexistent/3"]);
    pool.occupy(Path::new("/nonexistent/1"));
    let Err(refusal @ NoLine::Broken(_)) = pool.try_all() else {
        panic!("there are no such lines");
    };
    let text = refusal.to_string();
    let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(at("/nonexistent/1") < at("/nonexistent/2"), "{text}");
    assert!(at("/nonexistent/2") < at("/nonexistent/3"), "{text}");
}

#[test]
fn who_steps_out_of_the_queue_steps_in_again_in_front_of_those_who_came_later() {
    let queue = Queue::default();
    let places = [(); 4].map(|()| queue.place_at_the_end());
    let numbers = || places.each_ref().map(queue::Place::number);
    places[1].step_out();
    assert_eq!(numbers(), [1, 2, 2, 3]);
    places[0].step_out();
    places[1].step_in();
    assert_eq!(numbers(), [1, 1, 2, 3]);
    places[0].step_in();
    assert_eq!(numbers(), [1, 2, 3, 4]);
}

/// A pool of lines whose modems are cared for.
fn pool_with_modems(devices: &[&Path]) -> Pool {
    let mut port = crate::config::Port::new("modem");
    port.modem = Some(crate::config::Modem::default());
    Pool {
        care: Care::of(&port),
        devices: devices.iter().map(|device| (*device).to_owned()).collect(),
        ..pool(&["/dev/null"; 2][..devices.len()])
    }
}

#[test]
fn a_line_that_is_set_aside_is_not_tried_at_all() {
    let [one, two] = ["/nonexistent/1", "/nonexistent/2"].map(Path::new);
    let pool = pool_with_modems(&[one, two]);
    pool.aside.set(two, "no answer to `ATZ`", uptime());
    let Err(refusal @ NoLine::Broken(_)) = pool.try_all() else {
        panic!("there are no such lines");
    };
    let text = refusal.to_string();
    assert!(text.starts_with("/nonexistent/1: is not there;"), "{text}");
    let aside = "; /nonexistent/2: no answer to `ATZ`; it is tried again in 1min";
    assert!(text.ends_with(aside), "{text}");
}

#[tokio::test]
async fn a_line_whose_time_aside_is_over_is_tried_after_the_others() {
    let ptys = [(); 2].map(|()| nix::pty::openpty(None, None).unwrap());
    let [one, two] = ptys
        .each_ref()
        .map(|pty| nix::unistd::ttyname(&pty.slave).unwrap());
    let pool = pool_with_modems(&[&one, &two]);
    let long_ago = Duration::ZERO;
    pool.aside.set(&one, "no answer to `ATZ`", long_ago);
    let line = pool.try_all().unwrap();
    assert_eq!(line.device(), two);
    let other = pool.try_all().unwrap();
    assert_eq!(other.device(), one);
}
