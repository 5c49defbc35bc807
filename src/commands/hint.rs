//! The hint after a run: the one thing that would have made it shorter. Changes nothing itself.

use crate::sentry::limits::group::LimitGroup;
use crate::sentry::limits::waits::Cause;
use crate::sync::session::Session;

/// Seconds. A shorter run needs no hint.
const SHORT: f64 = 10.0;
/// Fraction of a run. A hint is given if waiting for `rate_limit` took more.
const MOST: f64 = 0.5;

/// The hint, if there is one.
pub(crate) fn hint(session: &Session) -> Option<String> {
    let client = &session.client;
    let (seconds, total) = (client.costs.elapsed().as_secs_f64(), client.costs.total());
    if seconds < SHORT {
        return None;
    }
    if total.limited * 10 > total.requests {
        return Some(
            "the server refused more than a tenth of the requests: something else uses the same token or address, or \
             the server is busy; a lower rate_limit leaves it more room"
                .to_owned(),
        );
    }
    let (ceiling, waited) = (session.config.client.rate_limit, client.waits().of(Cause::Ceiling).as_secs_f64());
    if waited < seconds * MOST {
        return None;
    }
    match client.quota(LimitGroup::Default).filter(|quota| client.is_limited() && quota.seen) {
        None => Some(format!(
            "most of the time was spent waiting for rate_limit ({ceiling} requests a second); the server shows no limit \
             of its own, so ask its owner for how many a second it is good"
        )),
        Some(quota) => {
            let allowed = f64::from(quota.limit) / quota.window;
            (allowed > ceiling * 1.5).then(|| {
                format!(
                    "most of the time was spent waiting for rate_limit ({ceiling} requests a second); the server allows \
                     {allowed:.0}, so a higher rate_limit would make the run shorter"
                )
            })
        }
    }
}
