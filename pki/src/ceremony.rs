//! Key ceremonies: an offline root and its issuing authorities, made from one reviewable file.
//!
//! Owns: the plan ([`plan::CeremonyPlan`]) with every rule that can be checked before the first
//! key; the division of a secret among custodians ([`shares`]); the transcript ([`transcript::Transcript`]), a chain of lines that says what was made, when
//! and with which digest; and its verification years later ([`verify`]). Pure: bytes in, bytes out.
//! Must not know: files, people at a terminal, passphrases.

pub mod plan;
pub mod shares;
pub mod transcript;
pub mod verify;
