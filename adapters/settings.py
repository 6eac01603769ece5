"""Every limit of the engine, by name, with its unit and default. Rules of the company stand in `domain.company`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what one call, batch, queue or wait may take. Units stand last in the names."""

    touchpoint_size_max_bytes: int = 1_000_000
    """The largest touchpoint, as JSON."""

    json_depth_max: int = 32
    """How deep objects and lists may be nested in a touchpoint."""

    buckets_max: int = 64
    """How many buckets a log may be made with."""

    commit_group_max: int = 1_000
    """How many waiting appends one committer takes into one transaction."""

    decide_rounds_max: int = 64
    """How often a strict append, a merge, a correction, or one that expects a version of a process, is decided anew
    because its subject moved meanwhile."""

    deciding_at_once: int = 64
    """How many subjects one process decides strict appends, merges and corrections of at the same moment."""

    correction_depth_max: int = 32
    """How many corrections of corrections are followed to the process that they are about."""

    rule_state_cache_subjects: int = 10_000
    """For how many subjects the rule state is kept in memory."""

    rule_snapshot_touchpoints: int = 500
    """By how many touchpoints a stream must have grown since its last snapshot of rule state before the next."""

    data_key_cache_subjects: int = 100_000
    """For how many subjects the key of their personal data is kept in memory."""

    data_key_wait_s: float = 0.02
    """How long the lock of a bucket is held for the keys of new people to be safe; then they come first."""

    data_key_recheck_s: float = 1.0
    """How long a process may go on with keys in memory before it asks which of them were destroyed."""

    postgres_connect_s: int = 5
    """How long one attempt to connect to a PostgreSQL server may take."""

    postgres_connections_max: int = 10
    """How many connections one open log keeps at most, besides one for each follower."""

    postgres_reconnect_s: float = 30.0
    """For how long a call goes on trying after its connection was lost, before it gives up."""

    postgres_pause_min_s: float = 0.02
    """The first pause before trying again; it doubles with every attempt."""

    postgres_pause_max_s: float = 1.0
    """The longest pause before trying again, and the longest wait for a free connection."""

    postgres_poll_s: float = 0.5
    """How often a follower looks for itself, in case a notification was lost."""

    feed_retry_s: float = 1.0
    """How long what wakes followers waits before it looks for a log again that did not come back in time."""

    feed_idle_s: float = 10.0
    """How long a log is still watched for followers when nobody follows it any more."""

    follow_batch_max: int = 1_000
    """How many touchpoints a follower is given at once."""

    read_page_touchpoints: int = 250
    """How many touchpoints of a log that is read as a whole are handed on at once: what a processor's cache holds."""

    read_page_max_bytes: int = 4_000_000
    """How much of a log a follower, or what folds it into views, is given at once: a page ends with the touchpoint
    that reaches it, in a log of several buckets each with its share."""

    read_statement_touchpoints: int = 100_000
    """Of how many touchpoints one statement asks, where a log is read as a whole: as long it holds up a vacuum."""

    copy_page_touchpoints: int = 1_000
    """How many touchpoints of each bucket a copy of a log reads at once."""

    refusals_noted_per_minute: int = 60
    """How many refusals one process notes one by one in a minute; more are counted, a note for each rule."""

    refusals_pause_s: float = 5.0
    """How long a refusal waits at most until it is noted."""

    import_batch_rows: int = 1_000
    """How many rows of a file an import stores in one go."""

    import_checkpoint_rows: int = 10_000
    """After how many rows or groups of a file an import keeps with the log how far it has come."""

    guess_sample_bytes: int = 4_000_000
    """How much of a file is looked at to tell its encoding and what parts its cells."""

    guess_sample_rows: int = 10_000
    """How many rows of a file a mapping is guessed from."""

    import_line_max_chars: int = 1_000_000
    """The longest line of a file that is imported."""

    import_columns_max: int = 2_000
    """How many columns a file that is imported may have."""

    xml_depth_max: int = 32
    """How deep the tags of an event log may be nested."""

    xml_tag_max_bytes: int = 1_000_000
    """The longest tag of an event log, with its attributes."""

    import_group_max_rows: int = 10_000
    """How many rows of a file one touchpoint may be made of."""

    import_distinct_in_memory: int = 50_000
    """How many different cells a count of an import keeps in memory; beyond that, in a temporary file."""

    import_keys_in_memory: int = 500_000
    """How many different rows an import tells apart in memory; beyond that, in a temporary file."""

    import_marks_bytes: int = 2**24
    """How much memory marks which rows that file may hold; its size fits tens of millions of rows."""

    projector_batch_max: int = 1_000
    """How many touchpoints a projector folds into one transaction."""

    projector_cache_rows: int = 200_000
    """How many rows of views, with the state that they were made of, a projector keeps in memory."""

    projector_retry_s: float = 1.0
    """How long a projector waits before it goes on after its database was away."""

    rebuild_part_touchpoints: int = 20_000
    """About how many touchpoints a rebuild folds and writes at once; a subject is never split."""

    seal_page_touchpoints: int = 100_000
    """How many touchpoints a sealer reads before it writes down how far it has come."""

    seal_interval_s: float = 0.5
    """How often a following sealer looks for what was recorded, and signs it."""

    seal_unsigned_max_s: float = 1.0
    """How long a sealer that has much to read goes on before it signs what it has read so far."""

    seal_clock_skew_max_s: float = 5.0
    """By how much the clock of the log may be ahead of the sealer's before the sealer says so."""

    seal_wait_s: float = 10.0
    """How long a proof waits for a sealer that is at work."""

    bundle_size_max_bytes: int = 4_000_000_000
    """The largest evidence bundle that is read, unpacked."""

    verify_part_touchpoints: int = 20_000
    """About how many touchpoints one process verifies at once; a stream is never split."""

    mirror_part_rows: int = 100_000
    """How many rows a file of the mirror holds before the next one is begun."""

    mirror_step_touchpoints: int = 50_000
    """After how many touchpoints the mirror keeps what it has written."""

    mirror_page_touchpoints: int = 10_000
    """How many touchpoints the mirror reads and turns into columns at once."""

    views_lock_wait_s: float = 60.0
    """How long a writer of views waits for another one."""

    query_wait_s: float = 60.0
    """How long an analyst's query may run."""

    follow_silence_max_s: float = 0.5
    """How long a follower stays silent at most while nothing comes."""

    http_body_max_bytes: int = 16_000_000
    """The largest body of a request."""

    http_bodies_max_bytes: int = 64_000_000
    """How much of bodies one process has at hand for one log until they are answered; more are asked to come again."""

    http_body_aside_bytes: int = 65_536
    """Beyond which size a body is read beside the others, which would have to wait for it."""

    http_batch_max: int = 1_000
    """How many touchpoints one request may append."""

    http_appends_max: int = 1_000
    """How many requests to append one process takes at the same moment; more are asked to come again."""

    http_followers_max: int = 200
    """How many followers one process serves at the same moment; more are asked to come again."""

    http_problem_max_chars: int = 2_000
    """How much of where and why something was refused an answer tells at most."""

    http_connections_max: int = 800
    """How many connections one process has at most; more are asked to come again."""

    http_head_max_bytes: int = 65_536
    """How much of a request may come before its body, and how much after it."""

    http_ahead_max: int = 32
    """How many requests a connection may send while the answer to one before them is under way; then it is cut."""

    http_head_s: float = 10.0
    """How long a connection may take to send the head of a request."""

    http_body_s: float = 60.0
    """How long it may take to send the body."""

    http_reader_s: float = 60.0
    """How long it may take nothing of an answer that waits for it."""

    http_threads: int = 8
    """How many requests to one log one process answers by threads at the same moment; more wait for their turn. One
    processor is shared by all of them, and by who appends."""

    http_requests_max: int = 1_000
    """How many such requests, with those that wait, one process takes; more are asked to come again."""

    http_page_rows: int = 1_000
    """How many rows or touchpoints a page has where the request names no limit, and at most ten times as many."""

    http_wait_max_s: float = 60.0
    """How long a request may wait for what is not recorded yet."""

    http_tenant_retry_s: float = 1.0
    """How long a tenant that could not be opened waits at least until that is tried again."""

    http_tenant_ready_s: float = 5.0
    """How long each tenant may take to say whether it is ready, until it counts as one that is not."""

    http_heartbeat_s: float = 15.0
    """How long a stream is silent at most while nothing is recorded."""

    http_token_max_chars: int = 16_000
    """The longest token of an identity provider."""

    jwks_fresh_s: float = 300.0
    """After how long the keys of an identity provider are read again from their address."""

    jwks_stale_max_s: float = 3_600.0
    """How long its keys hold while it cannot be reached."""

    jwks_pause_s: float = 10.0
    """How often it is asked for its keys at most, whatever ids of keys callers name."""

    jwks_wait_s: float = 5.0
    """How long its answer is waited for."""

    jwks_max_bytes: int = 1_000_000
    """The largest set of keys."""

    http_stop_s: int = 30
    """How long a service that is stopped lets requests finish that it has taken."""

    health_behind_s: float = 10.0
    """For how long a touchpoint may wait to be shown, sealed or delivered before that is told as a trouble."""

    health_look_s: float = 1.0
    """How long a projector that is behind is watched, to tell one that stands still from one that is only slow."""

    health_wait_s: float = 5.0
    """How long an examination may take; a database that does not answer by then is away."""

    health_fresh_s: float = 1.0
    """How long what an examination found is told again before the next one."""

    telemetry_stop_s: float = 2.0
    """How long a service that stops waits for a receiver of its traces, or of its metrics, that does not answer."""

    memory_free_s: float = 60.0
    """How long a process of the service keeps free memory at most before it gives it back to the system."""

    metrics_sample_s: float = 1.0
    """How often each process of a service takes down its connections and what it has under way."""

    health_disk_free_min_bytes: int = 256_000_000
    """How much must be free where a file of ours lies, before its disk is called nearly full."""

    outgoing_page_max: int = 200
    """How many touchpoints a deliverer takes from the log at once; killed, it delivers at most these again."""

    outgoing_subjects_max: int = 8
    """To how many subjects' touchpoints of one subscription requests are under way at the same moment."""

    outgoing_batch_max: int = 100
    """How many touchpoints of one subject one delivery may carry at most."""

    outgoing_body_max_bytes: int = 1_000_000
    """Where a delivery of several touchpoints is cut; one touchpoint is delivered whole, however large."""

    outgoing_address_max_chars: int = 2_000
    """The longest address of a receiver."""

    outgoing_answer_s: float = 15.0
    """How long a receiver may take for one delivery, from looking up its name to the end of its answer."""

    outgoing_answer_max_bytes: int = 65_536
    """How much of a receiver's answer is read; of a longer one the connection is closed."""

    outgoing_attempts_max: int = 20
    """After how many failures in a row a subject is parked, unless its subscription says otherwise."""

    outgoing_pause_min_s: float = 1.0
    """The pause after a first failure; it doubles with each more, and up to half of it is left off at random."""

    outgoing_pause_max_s: float = 3_600.0
    """The longest pause between two attempts."""

    broker_connect_s: int = 5
    """How long one attempt to connect to a broker may take."""

    broker_page_max: int = 200
    """How many messages are taken from a broker at once."""

    broker_wait_s: float = 1.0
    """How long one request to a broker waits for messages."""

    broker_ack_s: float = 15.0
    """How long a message may be under way into the log before the broker sends it again."""

    relay_look_s: float = 1.0
    """How often a relay looks for subscriptions that are new, went on, or lost their deliverer."""

    sqlite_poll_s: float = 0.02
    """How often a follower looks for itself, for SQLite tells nobody of another process's commits."""

    sqlite_lock_timeout_s: int = 30
    """How long a writer waits for another one, of this process or another, to finish with a SQLite file."""

    sqlite_connections_max: int = 64
    """How many connections one open log has to its SQLite file at most; further readers wait."""

    sqlite_cache_size_kib: int = 65_536
    """The page cache of each connection to a SQLite file, at most; the indexes of a running import should fit."""


LIMITS = Limits()
