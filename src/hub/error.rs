//! What can go wrong with a call to the hub. No text of ours holds the key, and none of the hub's is repeated.

use std::time::Duration;

use crate::http::HttpError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// No answer.
    #[error("the hub did not answer: {0}")]
    Transport(HttpError),
    /// An answer that is a refusal.
    #[error("the hub answered {}", status_text(*.status))]
    Http { status: u16, retry_after: Option<Duration> },
    /// Not followed: the key goes to nobody but the hub that was configured.
    #[error(
        "the hub answered {status} and points to {to}, which is not followed; if that is the hub, put it into hub.url"
    )]
    Redirect { status: u16, to: String },
    /// An answer whose body cannot be used.
    #[error("the hub's answer is not usable: {what}")]
    Body { what: String },
}

impl HubError {
    /// How long the hub asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            Self::Transport(_) | Self::Redirect { .. } | Self::Body { .. } => None,
        }
    }
}

impl From<HttpError> for HubError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Body { what, .. } => Self::Body { what },
            HttpError::Setup { .. } | HttpError::Unsent { .. } | HttpError::Unknown { .. } => {
                Self::Transport(error)
            }
        }
    }
}

fn status_text(status: u16) -> String {
    let meaning = match status {
        401 | 403 => ": it does not take hub.api_key for this host",
        404 => ": it does not know this host or this address; look at hub.url and hub.host_id",
        413 => ": it finds the report too large",
        429 => ": it is asked too often",
        500..=599 => ": it has trouble of its own",
        _ => "",
    };
    format!("{status}{meaning}")
}
