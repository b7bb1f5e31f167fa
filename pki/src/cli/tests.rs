//! The command line end to end, with OpenSSL on the other end.
