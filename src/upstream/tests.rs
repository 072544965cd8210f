//! An upstream that a test plays, over real sockets.
