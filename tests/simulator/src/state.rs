//! The state of the server, and what happens to a request between arrival and answer: log, route, token, limit, fault,
//! endpoint. This file knows no sockets.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::glitchtip;
use crate::api::index::EventIndex;
use crate::api::route::{Route, Target};
use crate::api::view::View;
use crate::auth::{Tokens, opens};
use crate::clock::Clock;
use crate::faults::{FaultKind, Faults};
use crate::http::call::Call;
use crate::http::reply::Reply;
use crate::http::wire::Manner;
use crate::limits::{Class, Limiter, Verdict};
use crate::log::{Log, Request};
use crate::moment::{Moment, Plan};
use crate::organization::{Organization, Truth};
use crate::settings::{DateHeader, Dialect, Settings};
use crate::{api, spoil, time};

/// Everything behind the socket.
pub(crate) struct State {
    /// The data.
    pub(crate) org: Organization,
    /// How the server behaves.
    pub(crate) settings: Settings,
    /// The simulated time.
    pub(crate) clock: Clock,
    /// Known tokens.
    pub(crate) tokens: Tokens,
    /// The log.
    pub(crate) log: Log,
    /// Faults in force.
    pub(crate) faults: Faults,
    /// Changes that wait for their request, in the order in which they were planned.
    pub(crate) plans: Vec<Plan>,
    /// Projects that no token may read.
    pub(crate) denied: BTreeSet<u64>,
    limiter: Limiter,
    index: RefCell<EventIndex>,
    nonce: u64,
}

/// A request on its way.
pub(crate) struct Ticket {
    number: usize,
    slot: Option<Class>,
    headers: Vec<(&'static str, String)>,
    fault: Option<FaultKind>,
    decided: Result<Target, Box<Reply>>,
    /// How long the answer takes.
    pub(crate) delay: Duration,
}

impl State {
    /// A server with this data and these settings.
    pub(crate) fn new(org: Organization, settings: Settings) -> Self {
        Self {
            clock: Clock::new(settings.now, settings.frozen),
            org,
            settings,
            tokens: Tokens::new(),
            log: Log::default(),
            faults: Faults::default(),
            plans: Vec::new(),
            denied: BTreeSet::new(),
            limiter: Limiter::default(),
            index: RefCell::default(),
            nonce: 0,
        }
    }

    /// Changes the data.
    pub(crate) fn edit<R>(&mut self, change: impl FnOnce(&mut Organization) -> R) -> R {
        self.index.borrow_mut().clear();
        change(&mut self.org)
    }

    /// What a complete sync should hold now.
    pub(crate) fn truth(&self) -> Truth {
        self.org.truth_within(&crate::organization::Scope {
            since: self.clock.now().timestamp() - self.settings.retention_days * 86_400,
            all_categories: !matches!(self.settings.dialect, Dialect::Sentry9 | Dialect::GlitchTip),
            denied: &self.denied,
        })
    }

    /// Makes the planned changes whose time has come with a request for this target, or all of them for none.
    pub(crate) fn make_plans(&mut self, target: Option<&str>) {
        let plans = std::mem::take(&mut self.plans);
        let is_due = |plan: &mut Plan| target.is_none_or(|target| plan.counts(target));
        let (due, later): (Vec<_>, Vec<_>) =
            plans.into_iter().map(|mut plan| (is_due(&mut plan), plan)).partition(|(due, _)| *due);
        self.plans = later.into_iter().map(|(_, plan)| plan).collect();
        for (_, plan) in due {
            plan.make(&mut Moment::new(self));
        }
    }

    /// Takes a request in. Logs it, and decides what can be decided without its endpoint.
    pub(crate) fn begin(&mut self, call: &Call, connection: u64) -> Ticket {
        self.make_plans(Some(&format!("{}?{}", call.path, call.raw_query)));
        let authorized = self.tokens.check(call.header("authorization")).is_ok();
        let number = self.log.begin(Request {
            start: self.clock.elapsed(),
            end: None,
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            host: call.header("host").unwrap_or_default().to_owned(),
            authorized,
            status: 0,
            rows: 0,
            bytes: 0,
            in_flight: 0,
            connection,
            limited: false,
            faulted: false,
        });
        let mut ticket = Ticket {
            number,
            slot: None,
            headers: Vec::new(),
            fault: None,
            decided: self.decide(call),
            delay: self.settings.latency,
        };
        self.limit(&mut ticket, authorized);
        self.strike(&mut ticket, call);
        ticket
    }

    /// Counts a request in its budget, and refuses it if the budget is used up.
    fn limit(&mut self, ticket: &mut Ticket, authorized: bool) {
        let class = ticket.decided.as_ref().map_or(Class::Default, Target::class);
        if self.settings.limits && authorized {
            let budget = self.settings.budgets.of(class);
            let Verdict { headers, refusal } = self.limiter.admit(class, budget, self.clock.now().timestamp());
            ticket.headers = headers;
            if let Some(text) = refusal {
                ticket.decided = Err(self.too_many(&text));
                return self.log.note(ticket.number, |entry| entry.limited = true);
            }
            ticket.slot = Some(class);
        }
    }

    /// A refusal by the limits. It does not say that it is JSON.
    fn too_many(&self, text: &str) -> Box<Reply> {
        let bare = serde_json::json!(text);
        let body = if self.settings.bare_429 { bare } else { serde_json::json!({ "detail": text }) };
        Reply::new(429, "text/html; charset=utf-8", body.to_string()).into()
    }

    /// Lets the faults see a request that no limit refused.
    fn strike(&mut self, ticket: &mut Ticket, call: &Call) {
        if matches!(&ticket.decided, Err(reply) if reply.status == 429) {
            return;
        }
        let target = format!("{}?{}", call.path, call.raw_query);
        ticket.fault = self.faults.strike(&target);
        if let Some(FaultKind::Delay(delay)) = ticket.fault {
            ticket.delay += delay;
        }
        let faulted = ticket.fault.is_some();
        self.log.note(ticket.number, |entry| entry.faulted = faulted);
    }

    /// Method, route, token, organization, scope.
    fn decide(&self, call: &Call) -> Result<Target, Box<Reply>> {
        if call.method != "GET" {
            let text = format!("Method \"{}\" not allowed.", call.method);
            return Err(Reply::detail(405, &text).into());
        }
        let (segments, slash) = call.segments();
        if !slash {
            return Err(self.no_slash(call).into());
        }
        let glitchtip = self.settings.dialect == Dialect::GlitchTip;
        let route = Route::of(&segments, self.settings.dialect);
        let route = route.ok_or_else(|| if glitchtip { glitchtip::web_page() } else { Reply::nothing() })?;
        let scopes = self.tokens.check(call.header("authorization"))?;
        let id = self.org.id.to_string();
        let by_id = !matches!(self.settings.dialect, Dialect::Sentry9 | Dialect::Sentry23);
        let known = |name: &String| *name == self.org.slug || (by_id && *name == id);
        if glitchtip && let Some(reply) = glitchtip::unknown(&segments, &route.target) {
            return Err(reply.into());
        }
        if !route.organization.as_ref().is_none_or(known) {
            if glitchtip {
                return Err(glitchtip::of_nobody(&route.target).into());
            }
            let empty = self.settings.empty_org_404;
            return Err(if empty { Reply::nothing() } else { Reply::missing() }.into());
        }
        if !opens(scopes, route.target.group()) {
            return Err(Reply::forbidden().into());
        }
        Ok(route.target)
    }

    /// A path without its last slash.
    fn no_slash(&self, call: &Call) -> Reply {
        let hint = format!("Route not found, did you forget a trailing slash? try: {}/", call.path);
        if self.settings.dialect == Dialect::Sentry9 {
            Reply::nothing()
        } else if call.header("content-type") == Some("application/json") {
            Reply::new(404, "application/json", serde_json::json!({ "info": hint }).to_string())
        } else {
            Reply::new(404, "text/plain", hint)
        }
    }

    /// Makes the answer and spoils it if a fault says so.
    pub(crate) fn complete(&mut self, ticket: &Ticket, call: &Call) -> (Reply, Manner) {
        self.nonce += 1;
        let mut reply = match &ticket.decided {
            Ok(target) => api::answer(&self.view(call), target),
            Err(reply) => reply.as_ref().clone(),
        };
        for (name, value) in &ticket.headers {
            reply = reply.with(name, value.as_str());
        }
        let mut origin = format!("http://{}", call.header("host").unwrap_or("localhost"));
        let mut wire = None;
        if let Some(fault) = &ticket.fault {
            wire = spoil::apply(fault, &mut reply, &mut origin, call);
        }
        let old = self.settings.dialect == Dialect::Sentry9;
        if let Some(link) = &reply.link {
            let glitchtip = self.settings.dialect == Dialect::GlitchTip;
            let values = match &ticket.fault {
                Some(FaultKind::OtherLinks(made)) => made(&link.headers(&origin, call).join(", ")),
                _ if glitchtip => vec![glitchtip::link_header(link, &origin, call)],
                _ => link.headers(&origin, call),
            };
            reply.headers.extend(values.into_iter().map(|value| ("Link".to_owned(), value)));
        }
        if !old {
            reply.headers.extend(self.date().map(|date| ("Date".to_owned(), date)));
            if call.path.starts_with("/api/0/issues/") {
                reply = deprecated(reply);
            }
        }
        let gzip = self.settings.gzip && call.accepts_gzip();
        (reply, Manner { gzip, close: old || call.wants_close(), spoil: wire })
    }

    /// The value of the `Date` header.
    fn date(&self) -> Option<String> {
        let off = match self.settings.date {
            DateHeader::Right => 0,
            DateHeader::Absent => return None,
            DateHeader::Off(seconds) => seconds,
        };
        Some(time::http_date(self.clock.now() + chrono::TimeDelta::seconds(off)))
    }

    fn view<'a>(&'a self, call: &'a Call) -> View<'a> {
        View {
            org: &self.org,
            settings: &self.settings,
            call,
            now: self.clock.now().timestamp(),
            nonce: self.nonce,
            denied: &self.denied,
            index: &self.index,
        }
    }

    /// Logs how a request ended, and frees its place among those in flight.
    pub(crate) fn end(&mut self, ticket: &Ticket, reply: &Reply, body: usize) {
        if let Some(class) = ticket.slot {
            self.limiter.release(class);
        }
        self.log.note(ticket.number, |entry| {
            let answered = !matches!(ticket.fault, Some(FaultKind::ResetBeforeHeaders));
            entry.status = if answered { reply.status } else { 0 };
            entry.rows = if answered { reply.rows } else { 0 };
            entry.bytes = body;
        });
        self.log.end(ticket.number, self.clock.elapsed());
    }
}

/// The headers with which the old issue paths announce that they will be removed.
fn deprecated(reply: Reply) -> Reply {
    reply
        .with("X-Sentry-Deprecation-Date", "2026-05-01T00:00:00+00:00")
        .with("X-Sentry-Replacement-Endpoint", "/api/0/organizations/{organization_id_or_slug}/issues/{issue_id}/")
}
