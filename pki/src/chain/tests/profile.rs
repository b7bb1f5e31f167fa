//! Roles and names of this network on certificates that we issue.
