//! A client that hides nothing: one connection, one GET, one raw answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::Value;

/// An answer as it came.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn rows(&self) -> Vec<Value> {
        self.json().as_array().expect("a list").clone()
    }

    /// The next cursor, if it has results.
    pub fn next(&self) -> Option<String> {
        let (_, next) = self.header("Link")?.split_once("rel=\"next\"")?;
        let (_, cursor) = next.split_once("results=\"true\"; cursor=\"")?;
        cursor.strip_suffix('"').map(str::to_owned)
    }
}

/// A self-hosted server with a shape.
pub fn self_hosted(shape: &Shape) -> Simulator {
    Simulator::start(Organization::generate(shape), Settings::self_hosted())
}

/// Everything that a server sends for a request text, until it closes the connection.
pub fn raw(sim: &Simulator, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(sim.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map(|_| bytes)
}

/// A request text.
pub fn request(sim: &Simulator, path: &str, token: &str, more: &str) -> String {
    format!(
        "GET /api/0/{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{more}Connection: close\r\n\r\n",
        sim.address()
    )
}

/// Splits an answer.
pub fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&bytes[..end]).expect("text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    Answer {
        status: status.parse().expect("a number"),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

/// One GET with the full token.
pub fn get(sim: &Simulator, path: &str) -> Answer {
    get_as(sim, path, sim.token())
}

/// One GET with a token.
pub fn get_as(sim: &Simulator, path: &str, token: &str) -> Answer {
    parse(&raw(sim, &request(sim, path, token, "")).expect("an answer"))
}

/// All rows of a list, cursor after cursor.
pub fn walk(sim: &Simulator, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let glue = if path.contains('?') { '&' } else { '?' };
        let address = cursor.map_or(path.to_owned(), |cursor| format!("{path}{glue}cursor={cursor}"));
        let answer = get(sim, &address);
        assert_eq!(answer.status, 200, "{address}: {}", answer.text());
        rows.extend(answer.rows());
        cursor = answer.next();
        if cursor.is_none() {
            return rows;
        }
    }
}

/// A string of a row.
pub fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_else(|| panic!("no text {key} in {row}")).to_owned()
}
