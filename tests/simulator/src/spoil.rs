//! Applies a fault to an answer: changes it, or orders the wire to. Decides nothing.

use crate::faults::FaultKind;
use crate::http::call::Call;
use crate::http::reply::Reply;
use crate::http::wire::Spoil;

/// Where a foreign link points.
const ELSEWHERE: &str = "https://elsewhere.example.com";

/// Spoils an answer; what only the wire can do is handed back.
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
        FaultKind::DropLink => reply.link = None,
        FaultKind::RepeatCursor => {
            set_next(reply, call.get("cursor").unwrap_or("0:0:0").to_owned());
        }
        FaultKind::EmptyPage => {
            reply.body = b"[]".to_vec();
            reply.rows = 0;
            set_next(reply, respelled(call.get("cursor")));
        }
        FaultKind::ForeignLink => ELSEWHERE.clone_into(origin),
        FaultKind::Delay(_) => {}
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

/// Another spelling of a cursor: its first number with or without a fraction. The start of every
/// family is `0:0:0`.
fn respelled(cursor: Option<&str>) -> String {
    match cursor.and_then(|text| text.split_once(':')) {
        None => "0:0:0".to_owned(),
        Some((value, rest)) => match value.strip_suffix(".0") {
            Some(whole) => format!("{whole}:{rest}"),
            None => format!("{value}.0:{rest}"),
        },
    }
}
