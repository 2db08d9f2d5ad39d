//! The blocklist in a real Redis (7 or later, or Valkey).

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::{Change, SEAL_PREFIX, Unavailable, key, value};

/// One batch is one script: about 2 ms of Redis' time.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(1_000);
const CONNECTION_TIMEOUT: Duration = Duration::from_millis(1_000);
const RECONNECT_MAX: Duration = Duration::from_millis(500);

/// Shows and hides under the guard of the generation, then seals. Four arguments a key: value (empty hides), epoch,
/// offset, until. The last key and argument are the seal; the last argument but one is the seal that must stand there,
/// unless it is empty. Answers 0 where another one, or none, does.
const WRITE: &str = r#"
local before = ARGV[#ARGV - 1]
if before ~= '' and redis.call('GET', KEYS[#KEYS]) ~= before then
  return 0
end
for i = 1, #KEYS - 1 do
  local at = (i - 1) * 4
  local epoch, offset = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local held = redis.call('GET', KEYS[i])
  local higher = false
  if held then
    local held_epoch, held_offset = string.match(held, '"generation":"(%d+)%.(%-?%d+)"')
    if held_epoch then
      held_epoch, held_offset = tonumber(held_epoch), tonumber(held_offset)
      higher = held_epoch > epoch or (held_epoch == epoch and held_offset > offset)
    end
  end
  if not higher then
    if ARGV[at + 1] == '' then
      redis.call('DEL', KEYS[i])
    else
      redis.call('SET', KEYS[i], ARGV[at + 1], 'PXAT', ARGV[at + 4])
    end
  end
end
redis.call('SET', KEYS[#KEYS], ARGV[#ARGV])
return 1
"#;

#[derive(Clone)]
pub(crate) struct Server {
    connection: ConnectionManager,
}

pub(crate) fn client(url: &str) -> Result<redis::Client, Unavailable> {
    redis::Client::open(url).map_err(unavailable)
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self, Unavailable> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_max_delay(RECONNECT_MAX)
            .set_number_of_retries(1);
        let connection =
            ConnectionManager::new_lazy_with_config(client(url)?, config).map_err(unavailable)?;
        Ok(Server { connection })
    }

    pub(crate) async fn write(
        &self,
        changes: &[Change],
        writer: &str,
        before: Option<&str>,
        seal: &str,
    ) -> Result<bool, Unavailable> {
        let mut command = redis::cmd("EVAL");
        command.arg(WRITE).arg(changes.len() + 1);
        for (observable, ..) in changes.iter().map(Change::parts) {
            command.arg(key(observable));
        }
        command.arg(format!("{SEAL_PREFIX}{writer}"));
        for (_, generation, shown) in changes.iter().map(Change::parts) {
            let until = shown.map_or(0, |shown| shown.until);
            command.arg(shown.map(value).unwrap_or_default());
            command.arg(generation.epoch).arg(generation.offset).arg(until);
        }
        command.arg(before.unwrap_or_default()).arg(seal);
        let mut connection = self.connection.clone();
        let written = command.query_async::<i64>(&mut connection).await.map_err(unavailable)?;
        Ok(written == 1)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, Unavailable> {
        let mut connection = self.connection.clone();
        redis::cmd("GET").arg(key).query_async(&mut connection).await.map_err(unavailable)
    }

    pub(crate) async fn flush(&self) -> Result<(), Unavailable> {
        let mut connection = self.connection.clone();
        redis::cmd("FLUSHALL").query_async(&mut connection).await.map_err(unavailable)
    }
}

fn unavailable(error: redis::RedisError) -> Unavailable {
    Unavailable(error.to_string())
}
