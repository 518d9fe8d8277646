//! Varlink (<https://varlink.org>): calls and their replies, each a JSON object that ends with a zero
//! octet. Bytes in, messages out, and no descriptor in sight.

mod frames;
#[cfg(test)]
pub(crate) mod text;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use frames::{Frames, LONGEST, TooLong, frame};

/// The interface that every service has.
pub const SERVICE: &str = "org.varlink.service";

/// That interface in its own language, as varlink.org has it.
pub const SERVICE_DESCRIPTION: &str = include_str!("org.varlink.service.varlink");

/// What a method is given, or gives: a JSON object.
pub type Parameters = Map<String, Value>;

/// A call of a method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The interface and the name, as in `org.varlink.service.GetInfo`.
    pub method: String,
    /// What it is given.
    #[serde(default)]
    pub parameters: Parameters,
    /// Whether the caller wants no reply.
    #[serde(default, skip_serializing_if = "is_false")]
    pub oneway: bool,
    /// Whether the caller takes several replies.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// Whether the connection is to become something else after the reply.
    #[serde(default, skip_serializing_if = "is_false")]
    pub upgrade: bool,
}

/// A reply to a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What the method gives, or what there is to know of the error.
    #[serde(default)]
    pub parameters: Parameters,
    /// Whether there are more to come.
    #[serde(default, skip_serializing_if = "is_false")]
    pub continues: bool,
    /// The interface and the name of the error, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Call {
    /// Divides the method into its interface and its name.
    #[must_use]
    pub fn target(&self) -> (&str, &str) {
        self.method.rsplit_once('.').unwrap_or(("", &self.method))
    }
}

impl Reply {
    /// What a method gives.
    ///
    /// # Panics
    ///
    /// If that is not an object: no method gives anything else.
    #[must_use]
    pub fn of(parameters: &impl Serialize) -> Reply {
        match serde_json::to_value(parameters) {
            Ok(Value::Object(parameters)) => Reply {
                parameters,
                ..Reply::default()
            },
            other => panic!("a reply must be an object: {other:?}"),
        }
    }

    /// The same, with more to come.
    #[must_use]
    pub fn and_more(self) -> Reply {
        Reply {
            continues: true,
            ..self
        }
    }

    /// An error that is known by its full name.
    #[must_use]
    pub fn error(name: impl Into<String>, parameters: Parameters) -> Reply {
        Reply {
            parameters,
            continues: false,
            error: Some(name.into()),
        }
    }

    /// An error of [`SERVICE`], with what there is to know of it.
    fn refusal(name: &str, about: Option<(&str, &str)>) -> Reply {
        let about = about.map(|(key, value)| (key.to_owned(), json!(value)));
        Reply::error(format!("{SERVICE}.{name}"), about.into_iter().collect())
    }

    /// Nobody here has this interface.
    #[must_use]
    pub fn interface_not_found(interface: &str) -> Reply {
        Reply::refusal("InterfaceNotFound", Some(("interface", interface)))
    }

    /// The interface has no such method.
    #[must_use]
    pub fn method_not_found(method: &str) -> Reply {
        Reply::refusal("MethodNotFound", Some(("method", method)))
    }

    /// A parameter is missing, or is not what it should be.
    #[must_use]
    pub fn invalid_parameter(parameter: &str) -> Reply {
        Reply::refusal("InvalidParameter", Some(("parameter", parameter)))
    }

    /// The method has many replies, and the caller did not say that it takes them.
    #[must_use]
    pub fn expected_more() -> Reply {
        Reply::refusal("ExpectedMore", None)
    }
}

/// Answers a call of [`SERVICE`], for a program that has one interface of its own.
#[must_use]
pub fn introduce(call: &Call, name: &str, description: &str) -> Reply {
    let (_, method) = call.target();
    match method {
        "GetInfo" => Reply::of(&json!({
            "vendor": "modemd developers",
            "product": "modemd",
            "version": env!("CARGO_PKG_VERSION"),
            "url": "",
            "interfaces": [SERVICE, name],
        })),
        "GetInterfaceDescription" => {
            let interface = call.parameters.get("interface").and_then(Value::as_str);
            let description = match interface {
                Some(SERVICE) => SERVICE_DESCRIPTION,
                Some(interface) if interface == name => description,
                Some(other) => return Reply::interface_not_found(other),
                None => return Reply::invalid_parameter("interface"),
            };
            Reply::of(&json!({ "description": description }))
        }
        _ => Reply::method_not_found(&call.method),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_call_may_leave_out_all_but_its_method() {
        let call: Call =
            serde_json::from_str(r#"{"method":"org.varlink.service.GetInfo"}"#).unwrap();
        assert_eq!(call.target(), ("org.varlink.service", "GetInfo"));
        assert!(call.parameters.is_empty() && !call.more && !call.oneway);
    }

    #[test]
    fn an_error_says_what_it_is_about() {
        let reply = serde_json::to_string(&Reply::method_not_found("io.modemd.Sing")).unwrap();
        assert_eq!(
            reply,
            r#"{"parameters":{"method":"io.modemd.Sing"},"error":"org.varlink.service.MethodNotFound"}"#
        );
    }

    proptest! {
        #[test]
        fn calls_and_replies_come_back_as_they_were(
            method in ".{0,40}", key in ".{0,8}", text in ".{0,40}", flags in any::<[bool; 3]>()
        ) {
            let parameters: Parameters = [(key, json!(text))].into_iter().collect();
            let [oneway, more, upgrade] = flags;
            let call = Call { method: method.clone(), parameters: parameters.clone(), oneway, more, upgrade };
            let mut frames = Frames::default();
            frames.feed(&frame(&call));
            let got = frames.next().unwrap().unwrap();
            prop_assert_eq!(serde_json::from_slice::<Call>(&got).unwrap(), call);
            let reply = Reply { parameters, continues: more, error: oneway.then_some(method) };
            frames.feed(&frame(&reply));
            let got = frames.next().unwrap().unwrap();
            prop_assert_eq!(serde_json::from_slice::<Reply>(&got).unwrap(), reply);
        }
    }
}
