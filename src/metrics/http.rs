//! As much of HTTP/1.x (RFC 9110, RFC 9112) as a scrape needs: one request, one response, and the
//! connection is over.

use super::Form;

/// The most octets of a request that are looked at.
pub const LONGEST: usize = 8 * 1024;

/// The most headers of a request. Prometheus sends six.
const MOST_HEADERS: usize = 64;

/// Where the page is.
const PATH: &str = "/metrics";

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The page, in the form that suits him, or why he does not get it.
    pub page: Result<Form, Refusal>,
    /// Whether he wants to hear about the page only (HEAD).
    pub head_only: bool,
}

/// Why a request has another answer than the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is not HTTP/1.x.
    Nonsense,
    /// It has no `Host`, or several.
    Host,
    /// There is nothing but the page.
    NotFound,
    /// The page can be had and not changed.
    Method,
    /// It does not end.
    TooLong,
    /// It did not end in time.
    TooSlow,
}

impl Refusal {
    /// What a request comes to that cannot be understood.
    #[must_use]
    pub fn request(self) -> Request {
        Request {
            page: Err(self),
            head_only: false,
        }
    }
}

/// The request at the beginning of what has come in; none, if it is not whole.
#[must_use]
pub fn request(octets: &[u8]) -> Option<Request> {
    let octets = &octets[..octets.len().min(LONGEST)];
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    match head.parse(octets) {
        Ok(httparse::Status::Complete(_)) => Some(understand(&head)),
        Ok(httparse::Status::Partial) if octets.len() < LONGEST => None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Some(Refusal::TooLong.request())
        }
        Err(_) => Some(Refusal::Nonsense.request()),
    }
}

fn understand(head: &httparse::Request<'_, '_>) -> Request {
    let all = |name: &'static str| {
        let headers = head.headers.iter();
        headers.filter(move |header| header.name.eq_ignore_ascii_case(name))
    };
    let method = head.method.unwrap_or_default();
    // RFC 9112, 3.2
    let page = if head.version == Some(1) && all("Host").count() != 1 {
        Err(Refusal::Host)
    } else if path(head.path.unwrap_or_default()) != PATH {
        Err(Refusal::NotFound)
    } else if !["GET", "HEAD"].contains(&method) {
        Err(Refusal::Method)
    } else {
        let accepted = all("Accept").filter_map(|header| str::from_utf8(header.value).ok());
        Ok(preferred(accepted))
    };
    Request {
        page,
        head_only: method == "HEAD",
    }
}

/// The path of a request's target: proxies are asked with the host in front of it (RFC 9112, 3.2.2).
fn path(target: &str) -> &str {
    let target = target.split_once('?').map_or(target, |(path, _)| path);
    match target.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    }
}

/// The form that the values of `Accept` like best (RFC 9110, 12.5.1). Who likes neither gets the older one.
fn preferred<'a>(accepted: impl Iterator<Item = &'a str>) -> Form {
    let (mut open, mut plain) = (0.0_f32, 0.0_f32);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut version, mut quality) = ("", 1.0_f32);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.to_ascii_lowercase().as_str() {
                "version" => version = value.trim_matches('"'),
                "q" => quality = value.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        if !(0.0..=1.0).contains(&quality) {
            continue;
        }
        match kind.as_str() {
            "application/openmetrics-text" if ["", "1.0.0"].contains(&version) => {
                open = open.max(quality);
            }
            "text/plain" | "text/*" | "*/*" => plain = plain.max(quality),
            _ => {}
        }
    }
    if open > 0.0 && open >= plain {
        Form::OpenMetrics
    } else {
        Form::Prometheus
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Response {
    /// The page.
    #[must_use]
    pub fn page(form: Form, text: String) -> Response {
        Response {
            status: "200 OK",
            content_type: form.content_type(),
            body: text,
        }
    }

    /// Nobody is there who could tell what stands in the page.
    #[must_use]
    pub fn unavailable(why: &str) -> Response {
        Response::word("503 Service Unavailable", why)
    }

    fn word(status: &'static str, word: &str) -> Response {
        Response {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{word}\n"),
        }
    }

    /// As it goes over the wire; without the body, for who wants to hear about it only.
    #[must_use]
    pub fn octets(&self, head_only: bool) -> Vec<u8> {
        let Response {
            status,
            content_type,
            body,
        } = self;
        let length = body.len();
        // RFC 9110, 15.5.6
        let allow = if status.starts_with("405") {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let head = format!(
            "HTTP/1.1 {status}\r\n{allow}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        );
        let mut octets = head.into_bytes();
        if !head_only {
            octets.extend_from_slice(body.as_bytes());
        }
        octets
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Response {
        let (status, word) = match refusal {
            Refusal::Nonsense => ("400 Bad Request", "this is not HTTP/1.0 or HTTP/1.1"),
            Refusal::Host => ("400 Bad Request", "a request must have one Host"),
            Refusal::NotFound => ("404 Not Found", "there is nothing here but /metrics"),
            Refusal::Method => (
                "405 Method Not Allowed",
                "/metrics is there for GET and HEAD",
            ),
            Refusal::TooLong => (
                "431 Request Header Fields Too Large",
                "the request is too long",
            ),
            Refusal::TooSlow => ("408 Request Timeout", "the request did not come in time"),
        };
        Response::word(status, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(text: &str) -> Request {
        request(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let head = |request_line: &str| format!("{request_line}\r\nHost: x\r\n\r\n");
        for (line, page) in [
            ("GET /metrics HTTP/1.1", Ok(Form::Prometheus)),
            ("GET /metrics?a=b HTTP/1.1", Ok(Form::Prometheus)),
            ("GET http://x:12006/metrics HTTP/1.1", Ok(Form::Prometheus)),
            ("GET / HTTP/1.1", Err(Refusal::NotFound)),
            ("GET http://x HTTP/1.1", Err(Refusal::NotFound)),
            ("GET /metrics/ HTTP/1.1", Err(Refusal::NotFound)),
            ("POST /metrics HTTP/1.1", Err(Refusal::Method)),
            ("OPTIONS * HTTP/1.1", Err(Refusal::NotFound)),
            ("get /metrics HTTP/1.1", Err(Refusal::Method)),
            ("GET /metrics HTTP/2.0", Err(Refusal::Nonsense)),
            ("GET /metrics", Err(Refusal::Nonsense)),
            ("HELO there", Err(Refusal::Nonsense)),
        ] {
            assert_eq!(asked(&head(line)).page, page, "{line}");
        }
        assert!(asked(&head("HEAD /metrics HTTP/1.1")).head_only);
        assert!(!asked(&head("GET /metrics HTTP/1.1")).head_only);
    }

    #[test]
    fn a_host_must_be_named_once_since_http_1_1() {
        let page = |text: &str| asked(text).page;
        assert_eq!(page("GET /metrics HTTP/1.0\r\n\r\n"), Ok(Form::Prometheus));
        assert_eq!(page("GET /metrics HTTP/1.1\r\n\r\n"), Err(Refusal::Host));
        let twice = "GET /metrics HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n";
        assert_eq!(page(twice), Err(Refusal::Host));
    }

    #[test]
    fn a_request_that_does_not_end_is_refused() {
        let mut text = "GET /metrics HTTP/1.1\r\nHost: x\r\nX: ".to_owned();
        assert_eq!(request(text.as_bytes()), None);
        text.push_str(&"x".repeat(LONGEST));
        assert_eq!(asked(&text).page, Err(Refusal::TooLong));
        let many = "X: y\r\n".repeat(MOST_HEADERS + 1);
        let text = format!("GET /metrics HTTP/1.1\r\n{many}\r\n");
        assert_eq!(asked(&text).page, Err(Refusal::TooLong));
    }

    #[test]
    fn everybody_gets_the_form_that_he_likes_best() {
        for (accept, form) in [
            ("", Form::Prometheus),
            ("*/*", Form::Prometheus),
            ("text/html", Form::Prometheus),
            ("application/openmetrics-text", Form::OpenMetrics),
            // Prometheus 2.42, as Debian 12 has it.
            (
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Form::OpenMetrics,
            ),
            (
                "text/plain;version=0.0.4;q=1, Application/OpenMetrics-Text; version=\"1.0.0\"; Q=0.5",
                Form::Prometheus,
            ),
            (
                "application/openmetrics-text;version=0.0.1",
                Form::Prometheus,
            ),
            ("application/openmetrics-text;q=0", Form::Prometheus),
            ("application/openmetrics-text;q=NaN", Form::Prometheus),
            ("application/openmetrics-text;q=7,;=,;;", Form::Prometheus),
        ] {
            let text = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
            assert_eq!(asked(&text).page, Ok(form), "{accept}");
        }
    }

    #[test]
    fn a_response_is_a_head_and_what_it_is_about() {
        let page = Response::page(Form::OpenMetrics, "# EOF\n".to_owned());
        let head = "HTTP/1.1 200 OK\r\n\
                    Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
                    Content-Length: 6\r\nConnection: close\r\n\r\n";
        assert_eq!(page.octets(true), head.as_bytes());
        assert_eq!(page.octets(false), format!("{head}# EOF\n").as_bytes());
        let refused = Response::from(Refusal::Method).octets(false);
        assert_eq!(
            String::from_utf8(refused).unwrap(),
            "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: 35\r\nConnection: close\r\n\r\n\
             /metrics is there for GET and HEAD\n"
        );
    }

    proptest! {
        #[test]
        fn a_request_is_the_same_in_pieces_as_at_once(
            start in "(GET|HEAD|PUT|\\PC{1,5}) (/metrics|/|\\PC{0,9}) HTTP/1.[01]\r?\n",
            headers in prop::collection::vec("(Host|Accept|X|\\PC{0,5}):[^\r\n]{0,40}\r?\n", 0..6),
            rest in "(\r\n|)\\PC{0,20}",
            piece in 1..50_usize,
        ) {
            let text = format!("{start}{}{rest}", headers.concat());
            let octets = text.as_bytes();
            let mut ends = (0..octets.len()).step_by(piece).chain([octets.len()]);
            let first = ends.find_map(|end| request(&octets[..end]));
            prop_assert_eq!(first, request(octets));
        }

        #[test]
        fn no_octets_are_too_strange(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = request(&octets);
        }
    }
}
