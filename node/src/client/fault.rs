//! What can go wrong between a client and a node, by whose fault.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One fault in the answer of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct FaultLine {
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// Query parameter, if it lies there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parameter: String,
    /// Path in the packet, if it lies there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// JSON pointer, if it lies there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pointer: String,
}

/// `application/problem+json` (RFC 9457) as the node writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ProblemAnswer {
    /// Stable code.
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// Every fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FaultLine>,
    /// What to do now.
    pub next: String,
    /// Names the request in the node's log.
    pub request_id: String,
    /// HTTP status.
    pub status: u16,
    /// What happened in general.
    pub title: String,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The key is missing, wrong, or may not do this. The caller's fault.
    #[error("denied: {}", .0.detail)]
    Denied(Box<ProblemAnswer>),
    /// A file to send cannot be read.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The node answered with a problem.
    #[error("{}", .0.detail)]
    Refused(Box<ProblemAnswer>),
    /// The answer is none of a node.
    #[error("strange answer: {0}")]
    Strange(String),
    /// No connection, or it broke off.
    #[error("{url} does not answer")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The place for the answer cannot be written.
    #[error("writing the answer")]
    Write(#[source] std::io::Error),
}

impl ClientError {
    /// The error of an answer that is no success.
    pub(crate) fn of_answer(status: u16, text: &str) -> Self {
        let Ok(mut problem) = serde_json::from_str::<ProblemAnswer>(text) else {
            let start: String = text.chars().take(200).collect();
            return Self::Strange(format!("HTTP {status}: {start}"));
        };
        problem.status = status;
        match status {
            401 | 403 => Self::Denied(Box::new(problem)),
            _ => Self::Refused(Box::new(problem)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_whose_fault_they_are() {
        let problem = r#"{"code":"x","detail":"d","errors":[{"code":"E","path":"MH/From"}]}"#;
        assert!(matches!(
            ClientError::of_answer(401, problem),
            ClientError::Denied(_)
        ));
        let ClientError::Refused(refused) = ClientError::of_answer(422, problem) else {
            panic!("422 is a refusal");
        };
        assert_eq!(refused.errors[0].path, "MH/From");
        assert!(matches!(
            ClientError::of_answer(502, "<html>"),
            ClientError::Strange(_)
        ));
    }
}
