//! The sender's application as a sceptic: a receipt counts only when its signature and its digest check.
