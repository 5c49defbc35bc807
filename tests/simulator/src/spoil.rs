//! Applies a fault to an answer: changes it, or tells the wire to. This file does not decide which answers.

use crate::faults::FaultKind;
use crate::http::call::Call;
use crate::http::reply::Reply;
use crate::http::wire::Spoil;

/// Where a link to another host points.
const ELSEWHERE: &str = "https://elsewhere.example.com";

/// Spoils an answer. Returns what only the wire can do.
pub(crate) fn apply(fault: &FaultKind, reply: &mut Reply, origin: &mut String, call: &Call) -> Option<Spoil> {
    match fault {
        FaultKind::Status { code, body, content_type, headers } => {
            *reply = Reply::new(*code, content_type, body.as_str());
            reply.headers.clone_from(headers);
        }
        FaultKind::Body { content_type, bytes } => *reply = Reply::new(200, content_type, bytes.as_slice()),
        FaultKind::Redirect { location } => {
            *reply = Reply::new(302, "text/html; charset=utf-8", "").with("Location", location.as_str());
        }
        FaultKind::Replace { from, to } => replace(&mut reply.body, from, to),
        FaultKind::DropLink => reply.link = None,
        FaultKind::Link(form) => reply.link.iter_mut().for_each(|link| link.form = *form),
        FaultKind::RepeatCursor => {
            set_next(reply, call.get("cursor").unwrap_or("0:0:0").to_owned());
        }
        FaultKind::EmptyPage if reply.link.is_none() => {} // it has no pages
        FaultKind::EmptyPage => {
            reply.body = b"[]".to_vec();
            reply.rows = 0;
            set_next(reply, respelled(call.get("cursor")));
        }
        FaultKind::SamePage => set_next(reply, respelled(call.get("cursor"))),
        FaultKind::ForeignLink => ELSEWHERE.clone_into(origin),
        // The links are made once the answer is known.
        FaultKind::Delay(_) | FaultKind::OtherLinks(_) => {}
        FaultKind::ResetBeforeHeaders => return Some(Spoil::ResetBeforeHeaders),
        FaultKind::ResetAfterHeaders => return Some(Spoil::ResetAfterHeaders),
        FaultKind::CutBody(at) => return Some(Spoil::Cut(*at)),
        FaultKind::StallBody(at) => return Some(Spoil::Stall(*at)),
        FaultKind::WrongLength(delta) => return Some(Spoil::WrongLength(*delta)),
        FaultKind::TruncatedGzip => return Some(Spoil::TruncatedGzip),
    }
    None
}

fn set_next(reply: &mut Reply, cursor: String) {
    if let Some(link) = &mut reply.link {
        link.next = (cursor, true);
    }
}

/// Replaces the first occurrence, if there is one.
fn replace(body: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    if let Some(at) = body.windows(from.len().max(1)).position(|window| window == from) {
        body.splice(at..at + from.len(), to.iter().copied());
    }
}

/// Another spelling of a cursor: one more zero in front. The first cursor of every kind of page is `0:0:0`.
fn respelled(cursor: Option<&str>) -> String {
    cursor.map_or_else(|| "0:0:0".to_owned(), |text| format!("0{text}"))
}
