//! Certificates: parsing.
