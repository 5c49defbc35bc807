//! Faults, byte by byte, and what the log says about them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::read::GzDecoder;
use sentry_simulator::{Fault, FaultKind, NthHit, Shape, Simulator};

use crate::client::{get, parse, raw, request, self_hosted, text, walk};

const TEAMS: &str = "organizations/acme/teams/";

fn with(nth: NthHit, kind: FaultKind) -> Simulator {
    let sim = self_hosted(&Shape::default());
    sim.add_fault(Fault { path_contains: "/teams/".to_owned(), nth, kind });
    sim
}

fn bytes(sim: &Simulator) -> std::io::Result<Vec<u8>> {
    raw(sim, &request(sim, TEAMS, sim.token(), ""))
}

#[test]
fn statuses_strike_the_hits_they_are_told_to() {
    let sim = with(NthHit::Range { from: 2, to: 3 }, FaultKind::status(502, "<html>"));
    let statuses: Vec<_> = (0..4).map(|_| get(&sim, TEAMS).status).collect();
    assert_eq!(statuses, [200, 502, 502, 200]);
    assert_eq!(get(&sim, "organizations/acme/projects/").status, 200);
    assert_eq!(sim.requests().iter().filter(|request| request.faulted).count(), 2);
    sim.clear_requests();
    assert!(sim.requests().is_empty());
}

#[test]
fn chances_are_seeded() {
    let run = || {
        let sim = with(NthHit::Chance { probability: 0.5, seed: 3 }, FaultKind::status(500, "{}"));
        (0..20).map(|_| get(&sim, TEAMS).status).collect::<Vec<_>>()
    };
    let first = run();
    assert!(first.contains(&200) && first.contains(&500));
    assert_eq!(first, run());
}

#[test]
fn broken_connections() {
    let sim = with(NthHit::every(), FaultKind::ResetBeforeHeaders);
    assert_eq!(bytes(&sim).expect_err("a reset").kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(sim.requests()[0].status, 0);
    let sim = with(NthHit::every(), FaultKind::ResetAfterHeaders);
    assert_eq!(bytes(&sim).expect_err("a reset").kind(), std::io::ErrorKind::ConnectionReset);
    let whole = get(&self_hosted(&Shape::default()), TEAMS).body.len();
    let sim = with(NthHit::every(), FaultKind::CutBody(50));
    let cut = get(&sim, TEAMS);
    assert_eq!(cut.body.len(), 50);
    assert_eq!(cut.header("Content-Length"), Some(&*whole.to_string()));
    let sim = with(NthHit::every(), FaultKind::WrongLength(7));
    let wrong = get(&sim, TEAMS);
    assert_eq!((wrong.body.len(), wrong.header("Content-Length")), (whole, Some(&*(whole + 7).to_string())));
}

#[test]
fn a_stalled_body_stays_open() {
    let sim = with(NthHit::every(), FaultKind::StallBody(10));
    let mut stream = TcpStream::connect(sim.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    stream.write_all(request(&sim, TEAMS, sim.token(), "").as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).expect_err("no end");
    assert!(matches!(end.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
    assert_eq!(parse(&bytes).body.len(), 10);
    assert_eq!(sim.requests()[0].end, None);
}

#[test]
fn compression() {
    let sim = self_hosted(&Shape::default());
    let asked = request(&sim, TEAMS, sim.token(), "Accept-Encoding: gzip\r\n");
    let answer = parse(&raw(&sim, &asked).expect("an answer"));
    assert_eq!(answer.header("Content-Encoding"), Some("gzip"));
    let mut plain = Vec::new();
    GzDecoder::new(answer.body.as_slice()).read_to_end(&mut plain).expect("gzip");
    assert_eq!(plain, get(&sim, TEAMS).body);
    let sim = with(NthHit::every(), FaultKind::TruncatedGzip);
    let answer = get(&sim, TEAMS);
    assert_eq!(answer.header("Content-Length"), Some(&*answer.body.len().to_string()));
    assert!(GzDecoder::new(answer.body.as_slice()).read_to_end(&mut Vec::new()).is_err());
}

#[test]
fn tampered_links() {
    let path = "organizations/acme/teams/?per_page=1";
    let link = |kind| get(&with(NthHit::every(), kind), path).header("Link").map(str::to_owned);
    assert_eq!(link(FaultKind::DropLink), None);
    assert!(link(FaultKind::ForeignLink).expect("a link").starts_with("<https://elsewhere.example.com/api/0/"));
    let twice = |link: &str| vec![link.to_owned(), "<https://cdn.example>; rel=preconnect".to_owned()];
    let reply = get(&with(NthHit::every(), FaultKind::OtherLinks(twice)), path);
    assert_eq!(reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link")).count(), 2);
    let sim = with(NthHit::every(), FaultKind::SamePage);
    assert_eq!(get(&sim, &format!("{path}&cursor=1:1:0")).next().as_deref(), Some("01:1:0"));
    let sim = with(NthHit::every(), FaultKind::RepeatCursor);
    assert_eq!(get(&sim, &format!("{path}&cursor=1:1:0")).next().as_deref(), Some("1:1:0"));
}

#[test]
fn empty_pages_lose_nothing() {
    let sim = self_hosted(&Shape::default());
    let lists = ["organizations/acme/teams/?per_page=1", "organizations/acme/issues/?project=-1&query=&limit=3"];
    let before: Vec<_> = lists.iter().map(|path| walk(&sim, path)).collect();
    for hit in 1..=2 {
        for text in ["/teams/", "/issues/"] {
            sim.add_fault(Fault {
                path_contains: text.to_owned(),
                nth: NthHit::only(hit * 2),
                kind: FaultKind::EmptyPage,
            });
        }
    }
    let after: Vec<_> = lists.iter().map(|path| walk(&sim, path)).collect();
    assert_eq!(before, after);
    assert_eq!(sim.requests().iter().filter(|request| request.rows == 0).count(), 4);
}

#[test]
fn bytes_of_a_body_are_replaced_once() {
    let sim = with(NthHit::only(1), FaultKind::replace("\"slug\"", "\"xslug\""));
    let texts = [get(&sim, TEAMS).text(), get(&sim, TEAMS).text()];
    assert_eq!(texts.each_ref().map(|text| text.matches("\"xslug\"").count()), [1, 0]);
    assert_eq!(texts[0].replace("xslug", "slug"), texts[1]);
}

#[test]
fn delays_redirects_and_odd_bodies() {
    let sim = with(NthHit::every(), FaultKind::Delay(Duration::from_millis(80)));
    get(&sim, TEAMS);
    let entry = &sim.requests()[0];
    assert!(entry.end.expect("an end") >= entry.start + Duration::from_millis(80));
    let location = "https://elsewhere.example.com/".to_owned();
    let sim = with(NthHit::every(), FaultKind::Redirect { location: location.clone() });
    assert_eq!(get(&sim, TEAMS).header("Location"), Some(&*location));
    let kind = FaultKind::Body { content_type: "text/html".to_owned(), bytes: b"<html>".to_vec() };
    let answer = get(&with(NthHit::every(), kind), TEAMS);
    assert_eq!((answer.status, answer.text().as_str()), (200, "<html>"));
}

#[test]
fn the_log_tells_connections_and_rows() {
    let sim = self_hosted(&Shape::default());
    let two = request(&sim, TEAMS, sim.token(), "").replace("Connection: close\r\n", "")
        + &request(&sim, "organizations/acme/projects/?per_page=2&x=a%20b", sim.token(), "");
    raw(&sim, &two).expect("answers");
    let log = sim.requests();
    assert_eq!(log.iter().map(|request| request.rows).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(log[0].connection, log[1].connection);
    assert_eq!(log[1].param("x"), Some("a b"));
    assert_eq!(log[1].host, sim.address().to_string());
    assert!(log[0].authorized && log[0].bytes > 100 && log[0].status == 200);
    assert_eq!(text(&get(&sim, TEAMS).rows()[0], "slug"), "backend");
}
