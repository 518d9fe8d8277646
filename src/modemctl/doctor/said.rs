//! What programs and the kernel say, in the form in which they say it: text in, facts out.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Person, Unit};

/// What `systemctl show` says of several units: a block each, which an empty line ends.
pub(super) fn units(text: &str) -> BTreeMap<String, Unit> {
    let blocks = text.split("\n\n").map(properties);
    let named = blocks.filter_map(|unit| Some((unit.get("Id")?.clone(), unit)));
    named.collect()
}

/// `NAME=value` on lines of their own, as `systemctl show` and `udevadm info` write them.
pub(super) fn properties(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What `id` says: `uid=995(modemd) gid=995(modemd) groups=995(modemd),20(dialout)`.
pub(super) fn person(text: &str) -> Option<Person> {
    let of = |name: &str| text.split_once(name).map(|(_, rest)| rest.trim_end());
    let (uid, name) = number_and_name(of("uid=")?)?;
    let own = number_and_name(of(" gid=")?)?;
    let listed = of(" groups=").unwrap_or_default();
    let listed = listed.split(',').filter_map(number_and_name);
    let groups: BTreeSet<_> = listed.chain([own]).collect();
    Some(Person { uid, name, groups })
}

/// `20(dialout)`; the name is left out where there is none.
fn number_and_name(text: &str) -> Option<(u32, String)> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, rest) = text.split_at(digits.unwrap_or(text.len()));
    let name = rest
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map_or("", |(name, _)| name);
    Some((number.parse().ok()?, name.to_owned()))
}

/// The name and the number of a group, by its line in group(5).
pub(super) fn group(line: &str) -> Option<(String, u32)> {
    let mut fields = line.trim_end().split(':');
    let name = fields.next()?.to_owned();
    Some((name, fields.nth(1)?.parse().ok()?))
}

/// Whether a descriptor of which `/proc/PID/fdinfo` says this is a program that filters what a
/// control group sends or receives (`BPF_PROG_TYPE_CGROUP_SKB` of `include/uapi/linux/bpf.h`).
pub(super) fn is_filter(fdinfo: &str) -> bool {
    let kinds = fdinfo
        .lines()
        .filter_map(|line| line.strip_prefix("prog_type:"));
    kinds.map(str::trim).any(|kind| kind == "8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_told_apart() {
        let units = units("Id=a.socket\nActiveState=active\n\nActiveState=failed\nId=b.socket\n");
        assert_eq!(units["a.socket"]["ActiveState"], "active");
        assert_eq!(units["b.socket"]["ActiveState"], "failed");
    }

    #[test]
    fn a_value_may_have_what_separates_it() {
        assert_eq!(properties("E=a=b\nnothing\n")["E"], "a=b");
    }

    #[test]
    fn somebody_has_his_own_group_and_the_others() {
        let said = "uid=995(modemd) gid=995(modemd) groups=995(modemd),20(dialout)\n";
        let modemd = person(said).unwrap();
        assert_eq!((modemd.uid, modemd.name.as_str()), (995, "modemd"));
        let groups = [(20, "dialout".to_owned()), (995, "modemd".to_owned())];
        assert_eq!(modemd.groups, groups.into());
    }

    #[test]
    fn numbers_without_names_and_security_contexts_are_understood() {
        let said = "uid=0 gid=7 groups=7,8(x y) context=unconfined_u:unconfined_r\n";
        let groups = [(7, String::new()), (8, "x y".to_owned())];
        assert_eq!(person(said).unwrap().groups, groups.into());
    }

    #[test]
    fn a_group_has_a_number() {
        assert_eq!(
            group("dialout:x:20:a,b\n"),
            Some(("dialout".to_owned(), 20))
        );
        assert_eq!(group("dialout"), None);
    }

    #[test]
    fn only_the_filters_of_control_groups_count() {
        assert!(is_filter("pos:\t0\nprog_type:\t8\nprog_jited:\t1\n"));
        assert!(!is_filter("pos:\t0\nprog_type:\t15\n"));
        assert!(!is_filter("pos:\t8\n"));
    }

    proptest! {
        #[test]
        fn anything_that_is_said_is_survived(text in "\\PC*|([a-z0-9=():,\n]|uid=| gid=| groups=|prog_type:)*") {
            let _ = units(&text);
            let _ = properties(&text);
            let _ = person(&text);
            let _ = group(&text);
            let _ = is_filter(&text);
        }
    }
}
