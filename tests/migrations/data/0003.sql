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
    deprovisioned_at timestamp with time zone,
    ownership text DEFAULT 'created'::text NOT NULL
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

CREATE TABLE public.idempotency_keys (
    user_id uuid NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    subject_id uuid,
    created_at timestamp with time zone NOT NULL
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
    updated_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone,
    last_answer text,
    history jsonb DEFAULT '[]'::jsonb NOT NULL
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

CREATE TABLE public.provider_health (
    service_id uuid NOT NULL,
    circuit text NOT NULL,
    faults bigint NOT NULL,
    retry_at timestamp with time zone,
    next_slot timestamp with time zone,
    crowded_until timestamp with time zone,
    last_ok_at timestamp with time zone,
    last_fault_at timestamp with time zone,
    last_fault text
);

CREATE TABLE public.reconcile_runs (
    id uuid NOT NULL,
    state text NOT NULL,
    service_id uuid,
    fix boolean NOT NULL,
    actor_id uuid NOT NULL,
    actor_email text NOT NULL,
    fencing bigint NOT NULL,
    lease_until timestamp with time zone,
    report jsonb,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
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
    last_login timestamp with time zone,
    is_operator boolean DEFAULT false NOT NULL
);

ALTER TABLE ONLY public.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_events_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_jobs_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_periodic_defers_id_seq'::regclass);

INSERT INTO public.addon_config VALUES ('01a1fef8-26f5-7cf0-bdd4-98e13d3ae486', 'STORE_URL', 1, '\x0180109921db5824dfee2090de01f38b5b026bd08781916dc5b3fa5d1a64bf5342a891038b289a20c17f93427296d353c4a05c1d5e71a2d97ddc6a84b8191610e6e728200410eb5684');

INSERT INTO public.addon_services VALUES ('01a1fef8-26c7-74aa-ada4-762305606531', 'store', 'Store', 'ga', NULL, '3', 'https://store.example.com/heroku/resources', 'https://store.example.com/sso', 'object', 'STORE', '{STORE_URL,STORE_TOKEN}', '{many_per_app,attachable}', '{}', '{us,eu}', '{"docs": null, "tags": [], "tagline": null, "category": null, "docs_url": null, "logo_url": null, "description": null, "support_email": null}', '\x016bde289b604a60ffbce2c0f5f7bca02c94aaf6ce0dfa48f6108c3283718db8b4a5b6dc1b049b30c97d8cda73dd3b54002ab6ef7f671d07989966f4ee1310f0db', '\x01d91abdf4043b707ed495088cc156745dd305f6e5289ca18423ce33f8133e3c0fd317361c9b648b7ea245c46e2a6186fb6e2c9d4e8a3858ab8119', '\x015172e03f59a6ca9b8380dacb4e935e8e3cdf33fdfb62af492451dd70a76f5c6b74ff37b115aa9c82160baf3cfb', 1, '\x9c6e70514a26c65fe4bf7cad1205faea2467b27c39610d10fec4a2fe579e888a', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');

INSERT INTO public.addons VALUES ('01a1fef8-26f5-7cf0-bdd4-98e13d3ae486', 'store-subtle-34644', '01a1fef8-26e5-78b1-9dc6-58296f865be9', '01a1fef8-26c7-74aa-ada4-762305606531', '01a1fef8-26dd-7337-9094-e4e25241e888', 5000, 'usd', 'provisioned', NULL, 'us', 'remote-1', NULL, '2026-11-21 09:54:08+00', '2026-11-21 09:54:08+00', NULL, 'created');

INSERT INTO public.alembic_version VALUES ('0003');

INSERT INTO public.apps VALUES ('01a1fef8-26e5-78b1-9dc6-58296f865be9', 'shop', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'us', 'heroku-24', false, '\x016bde289b5d8fc9c1b2004c7a423762ccaa2e44c32f7fcca1a903976e0390bc7c67c1a0a2300541e07c497e2fffc072a5c613767b6583c7f66db81fcda473b425', 3, '2026-11-21 09:54:07+00', '2026-11-21 09:54:08+00', '2026-11-21 09:54:08+00', NULL);

INSERT INTO public.attachments VALUES ('01a1fef8-26ff-7873-917f-8e430a2b3516', '01a1fef8-26e5-78b1-9dc6-58296f865be9', '01a1fef8-26f5-7cf0-bdd4-98e13d3ae486', 'STORE', NULL, NULL, '2026-11-21 09:54:08+00', '2026-11-21 09:54:08+00');

INSERT INTO public.config_vars VALUES ('01a1fef8-26e5-78b1-9dc6-58296f865be9', 'GREETING', NULL, 2, '\x01c5ec96340b9aa44fe5241aa4650efee37fa647160225846692125f83cddbef4e472801c383f882ff240d7d456f79909407b7f604e34f166a176617');
INSERT INTO public.config_vars VALUES ('01a1fef8-26e5-78b1-9dc6-58296f865be9', 'STORE_URL', '01a1fef8-26ff-7873-917f-8e430a2b3516', 3, '\x016577847dbc87ffe6cf9e76fa452e5942e20ab4feec49853c41883c01dd88512127d2ac2823b25460963539314c1d537364845c9560a1588e85f12d224f8e5af4d4a9cc3d2d56d66d');

INSERT INTO public.events VALUES ('01a1fef8-26e1-78af-ae9d-27053343db89', '2026-11-21 09:54:07+00', 'addon_service.published', '00000000-0000-0000-0000-000000000000', 'broker@localhost', NULL, NULL, '{"service": "store", "revision": 1}');
INSERT INTO public.events VALUES ('01a1fef8-26ed-7ae2-8294-059607af56ed', '2026-11-21 09:54:07+00', 'app.created', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', '01a1fef8-26e5-78b1-9dc6-58296f865be9', NULL, '{"name": "shop"}');
INSERT INTO public.events VALUES ('01a1fef8-26f5-713a-989f-80a192502a13', '2026-11-21 09:54:07+00', 'config_vars.changed', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', '01a1fef8-26e5-78b1-9dc6-58296f865be9', NULL, '{"set": ["GREETING"], "removed": [], "version": 2}');
INSERT INTO public.events VALUES ('01a1fef8-2730-7e1e-9869-302e48b5d4ec', '2026-11-21 09:54:08+00', 'addon.provisioned', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', '01a1fef8-26e5-78b1-9dc6-58296f865be9', '01a1fef8-26f5-7cf0-bdd4-98e13d3ae486', '{"plan": "store:big"}');

INSERT INTO public.oauth_grants VALUES ('01a1fef8-271f-7f12-b099-628f6589ef78', '01a1fef8-26f5-7cf0-bdd4-98e13d3ae486', '\x74e508f043075345604f71ca4a7761a8e14fd8c34b2a68adee51bf62ad75ecd1', '2026-11-21 09:59:08+00', NULL, '2026-11-21 09:54:08+00');

INSERT INTO public.operations VALUES ('01a1fef8-26f5-7c8f-8d49-902331eb3430', '01a1fef8-26f5-7cf0-bdd4-98e13d3ae486', 'provision', 'succeeded', 'done', 1, 1, NULL, NULL, '2026-11-21 10:54:08+00', false, NULL, NULL, '01a1fef8-26dd-7337-9094-e4e25241e888', NULL, '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', '[{"at": "2026-11-21T09:54:08.000+00:00", "step": "intent", "outcome": "recorded"}, {"at": "2026-11-21T09:54:08.000+00:00", "step": "call", "outcome": "started"}, {"at": "2026-11-21T09:54:08.000+00:00", "step": "settle", "status": 200, "outcome": "done"}]', '2026-11-21 09:54:08+00', '2026-11-21 09:54:08+00', '2026-11-21 09:54:08+00');

INSERT INTO public.plan_prices VALUES ('01a1fef8-26db-79b0-921f-2aeec0abba26', '01a1fef8-26d4-79bf-91bd-06369c203f8e', 0, 'usd', '2026-11-21 09:54:07+00');
INSERT INTO public.plan_prices VALUES ('01a1fef8-26de-7e53-a09a-522a2fbb7af6', '01a1fef8-26dd-7337-9094-e4e25241e888', 5000, 'usd', '2026-11-21 09:54:07+00');
INSERT INTO public.plan_prices VALUES ('01a1fef8-26e0-7fd4-808b-6c411301d3a3', '01a1fef8-26df-7779-92d5-9fe515ce7681', 50000, 'usd', '2026-11-21 09:54:07+00');

INSERT INTO public.plans VALUES ('01a1fef8-26d4-79bf-91bd-06369c203f8e', '01a1fef8-26c7-74aa-ada4-762305606531', 'free', 'Free', '', true, 'public', 0, 0, 'usd', '[]', '{us,eu}', 'null', '[]', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');
INSERT INTO public.plans VALUES ('01a1fef8-26dd-7337-9094-e4e25241e888', '01a1fef8-26c7-74aa-ada4-762305606531', 'big', 'Big', '', false, 'public', 1, 5000, 'usd', '[]', '{us,eu}', 'null', '[]', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');
INSERT INTO public.plans VALUES ('01a1fef8-26df-7779-92d5-9fe515ce7681', '01a1fef8-26c7-74aa-ada4-762305606531', 'huge', 'Huge', '', false, 'public', 2, 50000, 'usd', '[]', '{us,eu}', 'null', '[]', '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00');

INSERT INTO public.procrastinate_events VALUES (1, 1, 'deferred', '2026-11-21 16:37:18.198047+00');

INSERT INTO public.procrastinate_jobs VALUES (1, 'broker', 'broker.advance', 0, NULL, NULL, '{"operation_id": "01a1fef8-26f5-7c8f-8d49-902331eb3430"}', 'todo', NULL, 0, false, NULL);

INSERT INTO public.provider_health VALUES ('01a1fef8-26c7-74aa-ada4-762305606531', 'closed', 0, NULL, '2026-11-21 09:54:08.01+00', NULL, '2026-11-21 09:54:08+00', NULL, NULL);

INSERT INTO public.releases VALUES ('01a1fef8-26eb-76c2-9d2f-f2dfef1a8371', '01a1fef8-26e5-78b1-9dc6-58296f865be9', 1, 'Initial release', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', '{}', '\x01f1d7948679c9fbe9b4e715f19f2f1cc909f9d8bc0f02901f13862f1eeec8ecb259ffa4ce9bf2f2968c270a4ebd6760e0d3b2eb', '2026-11-21 09:54:07+00');
INSERT INTO public.releases VALUES ('01a1fef8-26f4-7b1f-be8f-f842b4f759a4', '01a1fef8-26e5-78b1-9dc6-58296f865be9', 2, 'Set GREETING config vars', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', '{}', '\x01f42b9f9a4e0d3d916a23f624f747ea6aaf0ff33757614db75fec9ece551de6f77ed5adc827c765d41764eec8b57bcfba0a149476d1df0fd1af34ffe642c9fcce0084ad7fd05b59e55148072597d71539a08b171da3973c8bf323ffd42ad0ce46e2e542f251', '2026-11-21 09:54:07+00');
INSERT INTO public.releases VALUES ('01a1fef8-272f-71ff-8e0d-af46f17d5664', '01a1fef8-26e5-78b1-9dc6-58296f865be9', 3, 'Attach STORE (store-subtle-34644)', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', '{store:big}', '\x01e2d031aa8cb15cc0db3bdd6d11e8b43f045c5bee9d2b5e4e728049bb52abf2bb32de3ab67d1523ec9249c63c75a6231c38038e2ef6e1d752c00a85ed8363f1bf691412cb701efd31e689273f49e48a870bc0c7afe865e0778cb6f0b5bd8403da446c9f990804054ba66aa742b31b81084960696d9fd833caf9e888c1f0032702b4298bca77ecfb8db6257f30a58fb696cfae99a04812a9017f3c02f471bb65e51f554f2279d24ba72543708403f32bbfaa14d72814b8a9d318c71636f386d0fd66608179c938ed0d687ab9c289bcc3a8a513', '2026-11-21 09:54:08+00');

INSERT INTO public.usage_periods VALUES ('01a1fef8-272f-7766-9ab8-1a84283ce23e', '01a1fef8-26f5-7cf0-bdd4-98e13d3ae486', '01a1fef8-26e5-78b1-9dc6-58296f865be9', '01a1fef8-26b4-7f79-a8c6-c3daac566a9e', '01a1fef8-26dd-7337-9094-e4e25241e888', 5000, 'usd', '2026-11-21 09:54:08+00', NULL);

INSERT INTO public.users VALUES ('01a1fef8-26b4-7f79-a8c6-c3daac566a9e', 'ada@example.com', NULL, NULL, '2026-11-21 09:54:07+00', '2026-11-21 09:54:07+00', NULL, false);

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

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT pk_idempotency_keys PRIMARY KEY (user_id, key);

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

ALTER TABLE ONLY public.provider_health
    ADD CONSTRAINT pk_provider_health PRIMARY KEY (service_id);

ALTER TABLE ONLY public.reconcile_runs
    ADD CONSTRAINT pk_reconcile_runs PRIMARY KEY (id);

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

CREATE INDEX ix_orphans_due ON public.orphans USING btree (next_at) WHERE (state = 'open'::text);

CREATE INDEX ix_reconcile_runs_created_at ON public.reconcile_runs USING btree (created_at);

CREATE INDEX ix_reconcile_runs_unfinished ON public.reconcile_runs USING btree (lease_until) WHERE (finished_at IS NULL);

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

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT fk_idempotency_keys_user_id FOREIGN KEY (user_id) REFERENCES public.users(id);

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

ALTER TABLE ONLY public.provider_health
    ADD CONSTRAINT fk_provider_health_service_id FOREIGN KEY (service_id) REFERENCES public.addon_services(id);

ALTER TABLE ONLY public.reconcile_runs
    ADD CONSTRAINT fk_reconcile_runs_service_id FOREIGN KEY (service_id) REFERENCES public.addon_services(id);

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

