//! What a package made later rests on: lists, records and certificates of the time, kept when the directory
//! has gone on.
