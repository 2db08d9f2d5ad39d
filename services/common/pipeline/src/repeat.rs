//! Work that is done again and again beside a stage.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Does `work`, which may block, each time `interval` has passed since it was done last, until shutdown. Work that panics
/// is not taken up again, and that is an error.
pub async fn repeat(
    interval: Duration,
    shutdown: CancellationToken,
    mut work: impl FnMut() + Send + 'static,
) -> anyhow::Result<()> {
    while shutdown.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
        work = tokio::task::spawn_blocking(move || {
            work();
            work
        })
        .await?;
    }
    Ok(())
}
