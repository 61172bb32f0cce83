SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE TYPE public.procrastinate_job_event_type AS ENUM (
    'deferred',
    'started',
    'deferred_for_retry',
    'failed',
    'succeeded',
    'cancelled',
    'abort_requested',
    'aborted',
    'scheduled',
    'retried'
);

CREATE TYPE public.procrastinate_job_status AS ENUM (
    'todo',
    'doing',
    'succeeded',
    'failed',
    'cancelled',
    'aborting',
    'aborted'
);

CREATE TYPE public.procrastinate_job_to_defer_v1 AS (
	queue_name character varying,
	task_name character varying,
	priority integer,
	lock text,
	queueing_lock text,
	args jsonb,
	scheduled_at timestamp with time zone
);

CREATE FUNCTION public.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;

CREATE FUNCTION public.procrastinate_defer_jobs_v1(jobs public.procrastinate_job_to_defer_v1[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;

CREATE FUNCTION public.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.procrastinate_jobs (
    id bigint NOT NULL,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    lock text,
    queueing_lock text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    status public.procrastinate_job_status DEFAULT 'todo'::public.procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint,
    CONSTRAINT check_not_todo_abort_requested CHECK ((NOT ((status = 'todo'::public.procrastinate_job_status) AND (abort_requested = true))))
);

CREATE FUNCTION public.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) RETURNS public.procrastinate_jobs
    LANGUAGE plpgsql
    AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;

CREATE FUNCTION public.procrastinate_finish_job_v1(job_id bigint, end_status public.procrastinate_job_status, delete_job boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION public.procrastinate_notify_queue_abort_job_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;

CREATE FUNCTION public.procrastinate_register_worker_v1() RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;

CREATE FUNCTION public.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION public.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;

CREATE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_status_events_update_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_unlink_periodic_defers_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;

CREATE FUNCTION public.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;

CREATE FUNCTION public.procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;

CREATE TABLE public.addon_config (
    addon_id uuid NOT NULL,
    name text NOT NULL,
    generation bigint NOT NULL,
    value_sealed bytea NOT NULL
);

CREATE TABLE public.addon_services (
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    cli_plugin_name text,
    api_version text NOT NULL,
    base_url text NOT NULL,
    sso_url text,
    url_style text NOT NULL,
    prefix text NOT NULL,
    config_vars text[] NOT NULL,
    requires text[] NOT NULL,
    capabilities text[] NOT NULL,
    regions text[] NOT NULL,
    listing jsonb NOT NULL,
    data_key bytea NOT NULL,
    password_sealed bytea NOT NULL,
    sso_salt_sealed bytea,
    revision bigint NOT NULL,
    digest bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.addons (
    id uuid NOT NULL,
    name text NOT NULL,
    app_id uuid NOT NULL,
    service_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    price_cents bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    reason text,
    region text NOT NULL,
    provider_id text,
    provision_message text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deprovisioned_at timestamp with time zone
);

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.apps (
    id uuid NOT NULL,
    name text NOT NULL,
    owner_id uuid NOT NULL,
    region text NOT NULL,
    stack text NOT NULL,
    maintenance boolean NOT NULL,
    data_key bytea,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    destroyed_at timestamp with time zone
);

CREATE TABLE public.attachments (
    id uuid NOT NULL,
    app_id uuid NOT NULL,
    addon_id uuid NOT NULL,
    name text NOT NULL,
    wanted_name text,
    namespace text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.authorizations (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    description text NOT NULL,
    scopes text[] NOT NULL,
    token_hash bytea NOT NULL,
    hint text NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.config_vars (
    app_id uuid NOT NULL,
    name text NOT NULL,
    attachment_id uuid,
    version bigint NOT NULL,
    value_sealed bytea NOT NULL
);

CREATE TABLE public.events (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor_id uuid NOT NULL,
    actor_email text NOT NULL,
    app_id uuid,
    addon_id uuid,
    data jsonb NOT NULL
);

CREATE TABLE public.oauth_grants (
    id uuid NOT NULL,
    addon_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.operations (
    id uuid NOT NULL,
    addon_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    step text NOT NULL,
    attempts bigint NOT NULL,
    fencing bigint NOT NULL,
    next_at timestamp with time zone,
    lease_until timestamp with time zone,
    deadline_at timestamp with time zone NOT NULL,
    may_exist boolean NOT NULL,
    reason text,
    error_id text,
    plan_id uuid,
    options_sealed bytea,
    actor_id uuid NOT NULL,
    actor_email text NOT NULL,
    history jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
);

CREATE TABLE public.orphans (
    id uuid NOT NULL,
    addon_id uuid NOT NULL,
    service_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    provider_id text,
    price_cents bigint NOT NULL,
    reason text NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    next_at timestamp with time zone,
    since timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.plan_prices (
    id uuid NOT NULL,
    plan_id uuid NOT NULL,
    price_cents bigint NOT NULL,
    currency text NOT NULL,
    valid_from timestamp with time zone NOT NULL
);

CREATE TABLE public.plans (
    id uuid NOT NULL,
    service_id uuid NOT NULL,
    slug text NOT NULL,
    human_name text NOT NULL,
    description text NOT NULL,
    is_default boolean NOT NULL,
    state text NOT NULL,
    "position" bigint NOT NULL,
    price_cents bigint NOT NULL,
    currency text NOT NULL,
    features jsonb NOT NULL,
    regions text[] NOT NULL,
    options_schema jsonb,
    meters jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.procrastinate_events (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    type public.procrastinate_job_event_type,
    at timestamp with time zone DEFAULT now()
);

CREATE SEQUENCE public.procrastinate_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_events_id_seq OWNED BY public.procrastinate_events.id;

CREATE SEQUENCE public.procrastinate_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_jobs_id_seq OWNED BY public.procrastinate_jobs.id;

CREATE TABLE public.procrastinate_periodic_defers (
    id bigint NOT NULL,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint,
    periodic_id character varying(128) DEFAULT ''::character varying NOT NULL
);

CREATE SEQUENCE public.procrastinate_periodic_defers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_periodic_defers_id_seq OWNED BY public.procrastinate_periodic_defers.id;

CREATE TABLE public.procrastinate_workers (
    id bigint NOT NULL,
    last_heartbeat timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.procrastinate_workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.procrastinate_workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.releases (
    id uuid NOT NULL,
    app_id uuid NOT NULL,
    version bigint NOT NULL,
    description text NOT NULL,
    actor_id uuid NOT NULL,
    actor_email text NOT NULL,
    addon_plan_names text[] NOT NULL,
    snapshot_sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.sso_sign_ons (
    addon_id uuid NOT NULL,
    user_id uuid NOT NULL,
    last_timestamp bigint NOT NULL
);

CREATE TABLE public.usage_periods (
    id uuid NOT NULL,
    addon_id uuid NOT NULL,
    app_id uuid NOT NULL,
    payer_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    price_cents bigint NOT NULL,
    currency text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone
);

CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text,
    password_hash text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    last_login timestamp with time zone
);

ALTER TABLE ONLY public.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_events_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_jobs_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_periodic_defers_id_seq'::regclass);

INSERT INTO public.addon_config VALUES ('01a1fe26-6547-7776-8030-d80f1bc29ed0', 'STORE_URL', 1, '\x01d747a813a54554238ec7241f66579f07fe40ec5710ed1fde9a35303f9240483f50c2738a27d8fbf8d10e818d640f929ac3f2a072f8a3a70a967d7804bfe026a35ac2b0669bd161c3');

INSERT INTO public.addon_services VALUES ('01a1fe26-638a-76bd-8603-7770076c9e2c', 'store', 'Store', 'ga', NULL, '3', 'https://store.example.com/heroku/resources', 'https://store.example.com/sso', 'object', 'STORE', '{STORE_URL,STORE_TOKEN}', '{many_per_app,attachable}', '{}', '{us,eu}', '{"docs": null, "tags": [], "tagline": null, "category": null, "docs_url": null, "logo_url": null, "description": null, "support_email": null}', '\x016bde289b84335f6611856ab6c55b56882bb3304686de72d5cb53867c95005eed0f0ed0058c5b7a7e0b2c668dfc1cbf1bf13d8c282d1ab345c2cc97209d4abc83', '\x016828b7aeecfb305c45fc0da6ffd80b3e8abf7e336eb229875c152651aa934824e484729c5f8c56c749e0640c44c3ca0847ca24a2a1a31e695e7c', '\x01d1f34c8fe0d12aa899e47a54552861668c166fe1e38f9af9aa3371c7937664687390b0f09ea413ec7cc2736d19', 1, '\x9c6e70514a26c65fe4bf7cad1205faea2467b27c39610d10fec4a2fe579e888a', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');

INSERT INTO public.addons VALUES ('01a1fe26-6547-7776-8030-d80f1bc29ed0', 'store-swift-83645', '01a1fe26-646a-7711-8909-d992e919b34a', '01a1fe26-638a-76bd-8603-7770076c9e2c', '01a1fe26-640a-73e4-ba30-d69457518fdd', 5000, 'usd', 'provisioned', NULL, 'us', 'remote-1', NULL, '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00', NULL);

INSERT INTO public.alembic_version VALUES ('0001');

INSERT INTO public.apps VALUES ('01a1fe26-646a-7711-8909-d992e919b34a', 'shop', '01a1fe26-62e1-7052-a15a-3394197652b5', 'us', 'heroku-24', false, '\x016bde289b701888fcc3387bfae582239ab0b2c69d957e20d318f893a21d81eb04a5e81c6958b37c062dff94eef3a6583600ea6274074ffdd514c3b5e86f84c743', 3, '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00', NULL);

INSERT INTO public.attachments VALUES ('01a1fe26-65a9-76d7-b31a-d6f6f4f80499', '01a1fe26-646a-7711-8909-d992e919b34a', '01a1fe26-6547-7776-8030-d80f1bc29ed0', 'STORE', NULL, NULL, '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');

INSERT INTO public.config_vars VALUES ('01a1fe26-646a-7711-8909-d992e919b34a', 'GREETING', NULL, 2, '\x0112c760b88246f27a4a78f1902105ab0ade597eed104349419d0b760dfca990041fe5068f502ef608d43a629eeb72e9f3576dd93a1438931f79c80d');
INSERT INTO public.config_vars VALUES ('01a1fe26-646a-7711-8909-d992e919b34a', 'STORE_URL', '01a1fe26-65a9-76d7-b31a-d6f6f4f80499', 3, '\x015eccc3f44d3875fa37addd9c14fcdeb5d215875ecc5b3f9f73676945f97097929cb6e327e0f161452e6466a160bdf45acc4ac3a6be5ae36a16c912d0b025fb68b56896a5600bff12');

INSERT INTO public.events VALUES ('01a1fe26-6439-7712-8dac-8a32936c2d7d', '2026-11-21 09:54:07+00', 'addon_service.published', '00000000-0000-0000-0000-000000000000', 'broker@localhost', NULL, NULL, '{"service": "store", "revision": 1}');
INSERT INTO public.events VALUES ('01a1fe26-64d3-7353-85f5-520757d2f7e8', '2026-11-21 09:54:07+00', 'app.created', '01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', '01a1fe26-646a-7711-8909-d992e919b34a', NULL, '{"name": "shop"}');
INSERT INTO public.events VALUES ('01a1fe26-653a-79e7-8390-870a39532388', '2026-11-21 09:54:07+00', 'config_vars.changed', '01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', '01a1fe26-646a-7711-8909-d992e919b34a', NULL, '{"set": ["GREETING"], "removed": [], "version": 2}');
INSERT INTO public.events VALUES ('01a1fe26-6770-784c-b17a-fc95a08de605', '2026-11-21 09:54:07+00', 'addon.provisioned', '01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', '01a1fe26-646a-7711-8909-d992e919b34a', '01a1fe26-6547-7776-8030-d80f1bc29ed0', '{"plan": "store:big"}');

INSERT INTO public.oauth_grants VALUES ('01a1fe26-6659-7d3d-bccb-c2ef8d9fad7a', '01a1fe26-6547-7776-8030-d80f1bc29ed0', '\xe23417eb44ad4370508c97b39b505c40b80500e9c339775cb6558785e94afbb0', '2026-11-21 09:59:07+00', NULL, '2026-11-21 09:54:07+00');

INSERT INTO public.operations VALUES ('01a1fe26-6547-7190-9b01-7fed0b05d368', '01a1fe26-6547-7776-8030-d80f1bc29ed0', 'provision', 'succeeded', 'done', 1, 1, NULL, NULL, '2026-11-21 10:54:07+00', false, NULL, NULL, '01a1fe26-640a-73e4-ba30-d69457518fdd', NULL, '01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', '[{"at": "2026-11-21T09:54:07.000+00:00", "step": "intent", "outcome": "recorded"}, {"at": "2026-11-21T09:54:07.000+00:00", "step": "call", "outcome": "started"}, {"at": "2026-11-21T09:54:07.000+00:00", "step": "settle", "status": 200, "outcome": "done"}]', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');

INSERT INTO public.plan_prices VALUES ('01a1fe26-63f5-7a5a-96c8-6b9edd146e39', '01a1fe26-63d8-7f47-afe4-ce3c6d56a531', 0, 'usd', '2026-11-21 09:54:07+00');
INSERT INTO public.plan_prices VALUES ('01a1fe26-6421-7b34-a5bb-730004a1a1b8', '01a1fe26-640a-73e4-ba30-d69457518fdd', 5000, 'usd', '2026-11-21 09:54:07+00');
INSERT INTO public.plan_prices VALUES ('01a1fe26-6435-7330-a674-c9bc9e13c569', '01a1fe26-6422-754d-8c35-b8f99e7b0279', 50000, 'usd', '2026-11-21 09:54:07+00');

INSERT INTO public.plans VALUES ('01a1fe26-63d8-7f47-afe4-ce3c6d56a531', '01a1fe26-638a-76bd-8603-7770076c9e2c', 'free', 'Free', '', true, 'public', 0, 0, 'usd', '[]', '{us,eu}', 'null', '[]', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');
INSERT INTO public.plans VALUES ('01a1fe26-640a-73e4-ba30-d69457518fdd', '01a1fe26-638a-76bd-8603-7770076c9e2c', 'big', 'Big', '', false, 'public', 1, 5000, 'usd', '[]', '{us,eu}', 'null', '[]', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');
INSERT INTO public.plans VALUES ('01a1fe26-6422-754d-8c35-b8f99e7b0279', '01a1fe26-638a-76bd-8603-7770076c9e2c', 'huge', 'Huge', '', false, 'public', 2, 50000, 'usd', '[]', '{us,eu}', 'null', '[]', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');

INSERT INTO public.procrastinate_events VALUES (1, 1, 'deferred', '2026-11-21 12:48:11.603305+00');

INSERT INTO public.procrastinate_jobs VALUES (1, 'broker', 'broker.advance', 0, NULL, NULL, '{"operation_id": "01a1fe26-6547-7190-9b01-7fed0b05d368"}', 'todo', NULL, 0, false, NULL);

INSERT INTO public.releases VALUES ('01a1fe26-64bd-7a91-a44c-f25484c3c940', '01a1fe26-646a-7711-8909-d992e919b34a', 1, 'Initial release', '01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', '{}', '\x010cf2183e154d19b0da6d15d574cd531d36d3b19b724adb0a291ca39fd8ca72acd4dd76d774d5e42016afc8962190ed9e46ea29', '2026-11-21 09:54:07+00');
INSERT INTO public.releases VALUES ('01a1fe26-6536-7993-a8c1-fcc5aa816b25', '01a1fe26-646a-7711-8909-d992e919b34a', 2, 'Set GREETING config vars', '01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', '{}', '\x0137898dac18c99f1e759226fc31e98e017349d9ace9a2a83b287086079c9e67dac88d9c12518f072e807c53f1a87838e06db7db3b7c27a07dc96f2d958861b2389ce2001b16f791b4e86bf237375522e24055bf8f482a889fa4e5399f8ee960707ded411a76', '2026-11-21 09:54:07+00');
INSERT INTO public.releases VALUES ('01a1fe26-6749-790a-9153-822ed3c878e4', '01a1fe26-646a-7711-8909-d992e919b34a', 3, 'Attach STORE (store-swift-83645)', '01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', '{store:big}', '\x01b613fb8fdc7dfc62f165634572ab0a01a04fb518c1bc174bb916f6dae31e881b116904b0eebed6f8f28e3e34ad1b865a35de4e075efe3b1111cae7e82e8f6f1c7e5f1c6377b11d5848f84218f5140fc4ce8e0b912cdd45d372c45f871cda6e03ac6686820756f1d6235d460c86932ca0c38ae5135736dee5638d72c80315fe11c9d7bc23f833e48f5c6937def933c1b2af19c0a3ee2491491341df9673395a7a478c6a755f8e63a98639bf0475e48ad3bc0f23e834e188b260935f933120c9a86851e1aac015b5c7e477dca5aea029a95365', '2026-11-21 09:54:07+00');

INSERT INTO public.usage_periods VALUES ('01a1fe26-6762-7b4d-bce8-8bbf29a95a73', '01a1fe26-6547-7776-8030-d80f1bc29ed0', '01a1fe26-646a-7711-8909-d992e919b34a', '01a1fe26-62e1-7052-a15a-3394197652b5', '01a1fe26-640a-73e4-ba30-d69457518fdd', 5000, 'usd', '2026-11-21 09:54:07+00', NULL);

INSERT INTO public.users VALUES ('01a1fe26-62e1-7052-a15a-3394197652b5', 'ada@example.com', NULL, NULL, '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00', NULL);

SELECT pg_catalog.setval('public.procrastinate_events_id_seq', 1, true);

SELECT pg_catalog.setval('public.procrastinate_jobs_id_seq', 1, true);

SELECT pg_catalog.setval('public.procrastinate_periodic_defers_id_seq', 1, false);

SELECT pg_catalog.setval('public.procrastinate_workers_id_seq', 1, false);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.addon_config
    ADD CONSTRAINT pk_addon_config PRIMARY KEY (addon_id, name);

ALTER TABLE ONLY public.addon_services
    ADD CONSTRAINT pk_addon_services PRIMARY KEY (id);

ALTER TABLE ONLY public.addons
    ADD CONSTRAINT pk_addons PRIMARY KEY (id);

ALTER TABLE ONLY public.apps
    ADD CONSTRAINT pk_apps PRIMARY KEY (id);

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT pk_attachments PRIMARY KEY (id);

ALTER TABLE ONLY public.authorizations
    ADD CONSTRAINT pk_authorizations PRIMARY KEY (id);

ALTER TABLE ONLY public.config_vars
    ADD CONSTRAINT pk_config_vars PRIMARY KEY (app_id, name);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (id);

ALTER TABLE ONLY public.oauth_grants
    ADD CONSTRAINT pk_oauth_grants PRIMARY KEY (id);

ALTER TABLE ONLY public.operations
    ADD CONSTRAINT pk_operations PRIMARY KEY (id);

ALTER TABLE ONLY public.orphans
    ADD CONSTRAINT pk_orphans PRIMARY KEY (id);

ALTER TABLE ONLY public.plan_prices
    ADD CONSTRAINT pk_plan_prices PRIMARY KEY (id);

ALTER TABLE ONLY public.plans
    ADD CONSTRAINT pk_plans PRIMARY KEY (id);

ALTER TABLE ONLY public.releases
    ADD CONSTRAINT pk_releases PRIMARY KEY (id);

ALTER TABLE ONLY public.sso_sign_ons
    ADD CONSTRAINT pk_sso_sign_ons PRIMARY KEY (addon_id, user_id);

ALTER TABLE ONLY public.usage_periods
    ADD CONSTRAINT pk_usage_periods PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp);

ALTER TABLE ONLY public.procrastinate_workers
    ADD CONSTRAINT procrastinate_workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.addon_services
    ADD CONSTRAINT uq_addon_services_slug UNIQUE (slug);

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT uq_attachments_app_id_name UNIQUE (app_id, name);

ALTER TABLE ONLY public.authorizations
    ADD CONSTRAINT uq_authorizations_token_hash UNIQUE (token_hash);

ALTER TABLE ONLY public.oauth_grants
    ADD CONSTRAINT uq_oauth_grants_code_hash UNIQUE (code_hash);

ALTER TABLE ONLY public.orphans
    ADD CONSTRAINT uq_orphans_addon_id UNIQUE (addon_id);

ALTER TABLE ONLY public.plan_prices
    ADD CONSTRAINT uq_plan_prices_plan_id_valid_from UNIQUE (plan_id, valid_from);

ALTER TABLE ONLY public.plans
    ADD CONSTRAINT uq_plans_service_id_slug UNIQUE (service_id, slug);

ALTER TABLE ONLY public.releases
    ADD CONSTRAINT uq_releases_app_id_version UNIQUE (app_id, version);

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON public.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::public.procrastinate_job_status));

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON public.procrastinate_workers USING btree (last_heartbeat);

CREATE INDEX ix_addons_app_id ON public.addons USING btree (app_id);

CREATE INDEX ix_addons_service_id ON public.addons USING btree (service_id);

CREATE INDEX ix_apps_owner_id ON public.apps USING btree (owner_id);

CREATE INDEX ix_attachments_addon_id ON public.attachments USING btree (addon_id);

CREATE INDEX ix_authorizations_user_id ON public.authorizations USING btree (user_id);

CREATE INDEX ix_config_vars_attachment_id ON public.config_vars USING btree (attachment_id);

CREATE INDEX ix_events_addon_id ON public.events USING btree (addon_id);

CREATE INDEX ix_events_app_id ON public.events USING btree (app_id);

CREATE INDEX ix_oauth_grants_addon_id ON public.oauth_grants USING btree (addon_id);

CREATE INDEX ix_operations_addon_id ON public.operations USING btree (addon_id, created_at);

CREATE INDEX ix_operations_due ON public.operations USING btree (next_at) WHERE (finished_at IS NULL);

CREATE INDEX ix_usage_periods_payer_id ON public.usage_periods USING btree (payer_id, started_at);

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON public.procrastinate_events USING btree (job_id);

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON public.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::public.procrastinate_job_status, 'doing'::public.procrastinate_job_status]));

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON public.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON public.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON public.procrastinate_jobs USING btree (queue_name);

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON public.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON public.procrastinate_periodic_defers USING btree (job_id);

CREATE UNIQUE INDEX uq_addons_name ON public.addons USING btree (name) WHERE (state <> 'deprovisioned'::text);

CREATE UNIQUE INDEX uq_apps_name ON public.apps USING btree (name) WHERE (destroyed_at IS NULL);

CREATE UNIQUE INDEX uq_operations_unfinished ON public.operations USING btree (addon_id) WHERE (finished_at IS NULL);

CREATE UNIQUE INDEX uq_plans_default ON public.plans USING btree (service_id) WHERE is_default;

CREATE UNIQUE INDEX uq_usage_periods_open ON public.usage_periods USING btree (addon_id) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX uq_users_email ON public.users USING btree (lower(email));

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_notify_queue_abort_job_v1();

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_notify_queue_job_inserted_v1();

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1();

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_unlink_periodic_defers_v1();

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON public.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1();

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1();

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_update_v1();

ALTER TABLE ONLY public.addon_config
    ADD CONSTRAINT fk_addon_config_addon_id FOREIGN KEY (addon_id) REFERENCES public.addons(id);

ALTER TABLE ONLY public.addons
    ADD CONSTRAINT fk_addons_app_id FOREIGN KEY (app_id) REFERENCES public.apps(id);

ALTER TABLE ONLY public.addons
    ADD CONSTRAINT fk_addons_plan_id FOREIGN KEY (plan_id) REFERENCES public.plans(id);

ALTER TABLE ONLY public.addons
    ADD CONSTRAINT fk_addons_service_id FOREIGN KEY (service_id) REFERENCES public.addon_services(id);

ALTER TABLE ONLY public.apps
    ADD CONSTRAINT fk_apps_owner_id FOREIGN KEY (owner_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT fk_attachments_addon_id FOREIGN KEY (addon_id) REFERENCES public.addons(id);

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT fk_attachments_app_id FOREIGN KEY (app_id) REFERENCES public.apps(id);

ALTER TABLE ONLY public.authorizations
    ADD CONSTRAINT fk_authorizations_user_id FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.config_vars
    ADD CONSTRAINT fk_config_vars_app_id FOREIGN KEY (app_id) REFERENCES public.apps(id);

ALTER TABLE ONLY public.operations
    ADD CONSTRAINT fk_operations_addon_id FOREIGN KEY (addon_id) REFERENCES public.addons(id);

ALTER TABLE ONLY public.orphans
    ADD CONSTRAINT fk_orphans_plan_id FOREIGN KEY (plan_id) REFERENCES public.plans(id);

ALTER TABLE ONLY public.orphans
    ADD CONSTRAINT fk_orphans_service_id FOREIGN KEY (service_id) REFERENCES public.addon_services(id);

ALTER TABLE ONLY public.plan_prices
    ADD CONSTRAINT fk_plan_prices_plan_id FOREIGN KEY (plan_id) REFERENCES public.plans(id);

ALTER TABLE ONLY public.plans
    ADD CONSTRAINT fk_plans_service_id FOREIGN KEY (service_id) REFERENCES public.addon_services(id);

ALTER TABLE ONLY public.releases
    ADD CONSTRAINT fk_releases_app_id FOREIGN KEY (app_id) REFERENCES public.apps(id);

ALTER TABLE ONLY public.usage_periods
    ADD CONSTRAINT fk_usage_periods_payer_id FOREIGN KEY (payer_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.usage_periods
    ADD CONSTRAINT fk_usage_periods_plan_id FOREIGN KEY (plan_id) REFERENCES public.plans(id);

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.procrastinate_workers(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id);

