//! What a run was worth: a history goes in, and out come the end of each login, each expectation with its number, and
//! an exit code. Reads the history only, never a node's word about itself.
