//! What went wrong and what to do next.
//!
//! Owns: the one error of the command line: a cause chain in one line and a next step.

use std::error::Error;
use std::fmt;

use serde_json::{Value, json};

/// A refusal or failure with its next step.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: String,
    next: String,
    /// For programs, beside cause and next step.
    details: Option<Value>,
}

impl Failure {
    /// A failure of our own.
    pub(crate) fn new(cause: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            next: next.into(),
            details: None,
        }
    }

    /// The same with members for programs.
    pub(crate) fn with_details(self, details: Value) -> Self {
        Self {
            details: Some(details),
            ..self
        }
    }

    /// As one JSON object.
    pub(crate) fn json(&self) -> String {
        let mut json = json!({ "error": self.cause, "next": self.next });
        if let (Some(all), Some(Value::Object(more))) = (json.as_object_mut(), &self.details) {
            all.extend(more.clone());
        }
        json.to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "error (lỗi): {}\nnext (việc cần làm): {}",
            self.cause, self.next
        )
    }
}

/// Adds the next step to a lower error.
pub(crate) trait Next<T> {
    /// The error with its whole chain and this next step.
    fn next(self, step: &str) -> Result<T, Failure>;
}

impl<T, E: Error> Next<T> for Result<T, E> {
    fn next(self, step: &str) -> Result<T, Failure> {
        self.map_err(|error| {
            let mut cause = error.to_string();
            let mut lower = error.source();
            while let Some(error) = lower {
                let text = error.to_string();
                // Texts that already hold their source must not say it twice.
                if !cause.ends_with(&text) {
                    cause = format!("{cause}: {text}");
                }
                lower = error.source();
            }
            Failure::new(cause, step)
        })
    }
}
