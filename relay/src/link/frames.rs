//! Frames on streams: the length prefix and bounds of `formats::frame` over the halves of a
//! [`Stream`]. A frame is refused by its length before a byte of it is read.
//!
//! Fails with [`FrameFault`]: the wire's fault or the peer's. Must not know what the frames mean.

use std::time::Duration;

use formats::frame::{self, Control, FrameError, Transfer};

use super::driver::{RecvHalf, SendHalf, WireError};

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameFault {
    /// The stream.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The peer's bytes.
    #[error("frame refused: {0}")]
    Frame(#[from] FrameError),
}

/// Sends a transfer frame.
pub(crate) async fn send_transfer(
    half: &mut SendHalf,
    frame: &Transfer,
    wait: Duration,
) -> Result<(), FrameFault> {
    Ok(half.write(&frame.encode()?, wait).await?)
}

/// Sends a control frame.
pub(crate) async fn send_control(
    half: &mut SendHalf,
    frame: &Control,
    wait: Duration,
) -> Result<(), FrameFault> {
    Ok(half.write(&frame.encode()?, wait).await?)
}

/// Reads a transfer frame that must be complete within `wait`.
pub(crate) async fn read_transfer(
    half: &mut RecvHalf,
    wait: Duration,
) -> Result<Transfer, FrameFault> {
    let mut prefix = [0; frame::PREFIX_BYTES];
    half.read_exact(&mut prefix, Some(wait)).await?;
    let mut body = vec![0; frame::payload_bytes(prefix)?];
    half.read_exact(&mut body, Some(wait)).await?;
    Ok(Transfer::decode(&body)?)
}

/// Reads a control frame; its first byte may take any time, the rest `wait`.
pub(crate) async fn read_control(
    half: &mut RecvHalf,
    wait: Duration,
) -> Result<Control, FrameFault> {
    let mut prefix = [0; frame::PREFIX_BYTES];
    half.read_exact(&mut prefix, None).await?;
    let mut body = vec![0; frame::payload_bytes(prefix)?];
    half.read_exact(&mut body, Some(wait)).await?;
    Ok(Control::decode(&body)?)
}
