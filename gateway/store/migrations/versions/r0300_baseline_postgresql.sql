CREATE TABLE hosted_agency (
    id VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_hosted_agency_code UNIQUE (code)
);

CREATE TABLE principal (
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_principal_name UNIQUE (kind, name, owner)
);

CREATE TABLE api_key (
    id VARCHAR NOT NULL,
    principal_id VARCHAR NOT NULL,
    scopes VARCHAR NOT NULL,
    secret_hash VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    prefix VARCHAR DEFAULT '' NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    networks TEXT DEFAULT '[]' NOT NULL,
    system VARCHAR,
    sealed TEXT,
    way VARCHAR DEFAULT 'secret' NOT NULL,
    certificate_sha256 VARCHAR,
    certificate_name TEXT,
    certificate_begins_at TIMESTAMP WITH TIME ZONE,
    certificate_ends_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT fk_api_key_principal FOREIGN KEY(principal_id) REFERENCES principal (id),
    CONSTRAINT uq_api_key_secret UNIQUE (secret_hash)
);

CREATE TABLE api_key_agency (
    agency_id VARCHAR NOT NULL,
    key_id VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, key_id),
    CONSTRAINT fk_api_key_agency_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_api_key_agency_key FOREIGN KEY(key_id) REFERENCES api_key (id)
);

CREATE TABLE outgoing_document (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    packet_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    parent_id VARCHAR,
    external_id VARCHAR,
    state VARCHAR NOT NULL,
    number VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    issued_on DATE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER NOT NULL,
    folded TEXT NOT NULL,
    body TEXT NOT NULL,
    lead VARCHAR DEFAULT '' NOT NULL,
    own_id VARCHAR,
    trace VARCHAR,
    reply_by DATE,
    type_name VARCHAR,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_outgoing_document_parent_id FOREIGN KEY(agency_id, parent_id) REFERENCES outgoing_document (agency_id, id),
    CONSTRAINT fk_outgoing_document_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_outgoing_external_id UNIQUE (agency_id, external_id),
    CONSTRAINT uq_outgoing_packet_id UNIQUE (agency_id, packet_id)
);

CREATE INDEX ix_outgoing_created ON outgoing_document (agency_id, created_at, id);

CREATE INDEX ix_outgoing_document_id ON outgoing_document (agency_id, document_id);

CREATE INDEX ix_outgoing_parent ON outgoing_document (agency_id, parent_id);

CREATE INDEX ix_outgoing_state ON outgoing_document (agency_id, state, created_at);

CREATE TABLE delivery (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    position INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recipient TEXT NOT NULL,
    marks TEXT NOT NULL,
    register_no VARCHAR,
    register_year INTEGER,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_delivery_document_id FOREIGN KEY(agency_id, document_id) REFERENCES outgoing_document (agency_id, id)
);

CREATE INDEX ix_delivery_document ON delivery (agency_id, document_id, state);

CREATE INDEX ix_delivery_state ON delivery (agency_id, state);

CREATE TABLE fact (
    agency_id VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    track VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency_id, subject_id, key),
    CONSTRAINT fk_fact_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE incoming_document (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    inbox_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    sender_code VARCHAR NOT NULL,
    sender_folded VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    packet_id VARCHAR,
    state VARCHAR NOT NULL,
    number VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    issued_on DATE,
    arrived_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER NOT NULL,
    folded TEXT NOT NULL,
    body TEXT NOT NULL,
    reply_by DATE,
    number_key VARCHAR DEFAULT '' NOT NULL,
    lead VARCHAR DEFAULT '' NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_incoming_document_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_incoming_arrived ON incoming_document (agency_id, arrived_at, id);

CREATE INDEX ix_incoming_document_id ON incoming_document (agency_id, document_id);

CREATE INDEX ix_incoming_state ON incoming_document (agency_id, state, arrived_at);

CREATE TABLE handover (
    agency_id VARCHAR NOT NULL,
    incoming_id VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    offered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    leased_by VARCHAR,
    leased_until TIMESTAMP WITH TIME ZONE,
    acked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (agency_id, incoming_id),
    CONSTRAINT fk_handover_incoming_id FOREIGN KEY(agency_id, incoming_id) REFERENCES incoming_document (agency_id, id)
);

CREATE INDEX ix_handover_state ON handover (agency_id, state, offered_at);

CREATE TABLE identity (
    agency_id VARCHAR NOT NULL,
    sender VARCHAR NOT NULL,
    body_digest VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    packet_id VARCHAR,
    document_id VARCHAR,
    inbox_id VARCHAR NOT NULL,
    incoming_id VARCHAR,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    terms VARCHAR,
    PRIMARY KEY (agency_id, sender, body_digest),
    CONSTRAINT fk_identity_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_identity_packet UNIQUE (agency_id, sender, packet_id)
);

CREATE INDEX ix_identity_document ON identity (agency_id, sender, document_id);

CREATE TABLE register_counter (
    agency_id VARCHAR NOT NULL,
    book VARCHAR NOT NULL,
    year INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (agency_id, book, year),
    CONSTRAINT fk_register_counter_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE register_entry (
    agency_id VARCHAR NOT NULL,
    incoming_id VARCHAR NOT NULL,
    book VARCHAR NOT NULL,
    year INTEGER NOT NULL,
    number VARCHAR NOT NULL,
    entered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    entered_by VARCHAR,
    catch_up TEXT,
    struck_at TIMESTAMP WITH TIME ZONE,
    struck_by VARCHAR,
    struck_reason TEXT,
    PRIMARY KEY (agency_id, incoming_id),
    CONSTRAINT fk_register_entry_incoming_id FOREIGN KEY(agency_id, incoming_id) REFERENCES incoming_document (agency_id, id),
    CONSTRAINT uq_register_number UNIQUE (agency_id, book, year, number)
);

CREATE TABLE outbox (
    attempts INTEGER NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    lease_token VARCHAR,
    lease_until TIMESTAMP WITH TIME ZONE,
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    packet_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    sender_code VARCHAR NOT NULL,
    lane VARCHAR NOT NULL,
    envelope_digest VARCHAR NOT NULL,
    envelope_size BIGINT NOT NULL,
    targets TEXT NOT NULL,
    subject_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state VARCHAR NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    signed_by VARCHAR,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_outbox_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_outbox_created ON outbox (agency_id, created_at, id);

CREATE INDEX ix_outbox_state ON outbox (state, created_at);

CREATE INDEX ix_outbox_subject ON outbox (agency_id, subject_id);

CREATE TABLE inbox (
    attempts INTEGER NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    lease_token VARCHAR,
    lease_until TIMESTAMP WITH TIME ZONE,
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    file_digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    transport_packet_id VARCHAR NOT NULL,
    transport_kind VARCHAR NOT NULL,
    transport_sender VARCHAR NOT NULL,
    lane VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    code VARCHAR,
    reason TEXT,
    sender_code VARCHAR,
    document_id VARCHAR,
    kind VARCHAR,
    needs_sender VARCHAR,
    needs_document_id VARCHAR,
    incoming_id VARCHAR,
    steps TEXT NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    transport_node VARCHAR,
    untried TEXT DEFAULT '[]' NOT NULL,
    released BOOLEAN DEFAULT false NOT NULL,
    axes VARCHAR DEFAULT '' NOT NULL,
    transport_session VARCHAR,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_inbox_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_inbox_file_digest UNIQUE (agency_id, file_digest)
);

CREATE INDEX ix_inbox_needs ON inbox (agency_id, needs_document_id);

CREATE INDEX ix_inbox_received ON inbox (agency_id, received_at, id);

CREATE INDEX ix_inbox_state ON inbox (state, received_at);

CREATE TABLE job (
    attempts INTEGER NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    lease_token VARCHAR,
    lease_until TIMESTAMP WITH TIME ZONE,
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    payload TEXT,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_job_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_job_kind ON job (kind, created_at);

CREATE INDEX ix_job_subject ON job (agency_id, subject_id);

CREATE TABLE blob (
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    stored_at TIMESTAMP WITH TIME ZONE NOT NULL,
    agency_id VARCHAR CONSTRAINT fk_blob_agency REFERENCES hosted_agency (id),
    owner_kind VARCHAR,
    owner_id VARCHAR,
    head BYTEA NOT NULL,
    body BYTEA,
    PRIMARY KEY (digest)
);

CREATE TABLE blob_ref (
    agency_id VARCHAR NOT NULL,
    owner_kind VARCHAR NOT NULL,
    owner_id VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, owner_kind, owner_id, digest),
    CONSTRAINT fk_blob_ref_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_blob_ref_blob FOREIGN KEY(digest) REFERENCES blob (digest)
);

CREATE INDEX ix_blob_ref_digest ON blob_ref (digest);

CREATE TABLE event (
    position BIGSERIAL NOT NULL,
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    subject_id VARCHAR NOT NULL,
    principal_id VARCHAR NOT NULL,
    data TEXT NOT NULL,
    node_seq BIGINT,
    agency_seq BIGINT,
    PRIMARY KEY (position),
    CONSTRAINT uq_event_agency_seq UNIQUE (agency_id, agency_seq),
    CONSTRAINT uq_event_id UNIQUE (agency_id, id),
    CONSTRAINT uq_event_node_seq UNIQUE (node_seq)
);

CREATE INDEX ix_event_subject ON event (agency_id, subject_id);

CREATE TABLE event_counter (
    agency_id VARCHAR NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (agency_id)
);

CREATE TABLE idempotency (
    agency_id VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    status INTEGER,
    body TEXT,
    PRIMARY KEY (agency_id, owner, key),
    CONSTRAINT fk_idempotency_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_idempotency_created ON idempotency (created_at);

CREATE TABLE agency (
    code VARCHAR COLLATE "C" NOT NULL,
    alias VARCHAR COLLATE "C",
    name VARCHAR NOT NULL,
    folded TEXT COLLATE "C" NOT NULL,
    parent VARCHAR COLLATE "C",
    valid_from DATE,
    valid_to DATE,
    successor VARCHAR,
    source VARCHAR NOT NULL,
    email VARCHAR,
    address VARCHAR,
    phone VARCHAR,
    check_note VARCHAR,
    scheme VARCHAR DEFAULT 'VN-GOV' NOT NULL,
    decision VARCHAR,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    host VARCHAR,
    contact VARCHAR,
    next_host VARCHAR,
    next_host_from DATE,
    PRIMARY KEY (code)
);

CREATE INDEX ix_agency_alias ON agency (alias);

CREATE INDEX ix_agency_folded ON agency (folded);

CREATE INDEX ix_agency_parent ON agency (parent, code);

CREATE TABLE agency_binding (
    id VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    certificate_pem TEXT NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE,
    valid_to TIMESTAMP WITH TIME ZONE,
    state VARCHAR NOT NULL,
    proposed_by VARCHAR NOT NULL,
    approved_by VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    list_id VARCHAR,
    proof TEXT,
    PRIMARY KEY (id),
    CONSTRAINT uq_agency_binding_certificate UNIQUE (code, fingerprint)
);

CREATE TABLE registry_change (
    id VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    by_principal VARCHAR NOT NULL,
    source_digest VARCHAR NOT NULL,
    summary TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE registry_feed (
    id VARCHAR NOT NULL,
    issuer VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE NOT NULL,
    by_principal VARCHAR NOT NULL,
    change_id VARCHAR NOT NULL,
    receipt_state VARCHAR,
    receipt_at TIMESTAMP WITH TIME ZONE,
    receipt_tried_at TIMESTAMP WITH TIME ZONE,
    receipt_fault TEXT,
    PRIMARY KEY (id)
);

CREATE TABLE registry_feed_refusal (
    id VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    code VARCHAR NOT NULL,
    reason TEXT NOT NULL,
    issuer VARCHAR,
    sequence BIGINT,
    by_principal VARCHAR NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_registry_feed_refusal_at ON registry_feed_refusal (at, id);

CREATE TABLE registry_feed_proposal (
    code VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    certificate_pem TEXT NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE,
    valid_to TIMESTAMP WITH TIME ZONE,
    issuer VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    kind VARCHAR DEFAULT 'exchange' NOT NULL,
    standing VARCHAR,
    reason VARCHAR,
    detail TEXT,
    PRIMARY KEY (code, fingerprint)
);

CREATE INDEX ix_event_unnumbered ON event (position) WHERE node_seq IS NULL;

CREATE INDEX ix_outbox_claim ON outbox (state, lane DESC, created_at, id);

CREATE INDEX ix_inbox_claim ON inbox (state, lane DESC, received_at, id);

CREATE INDEX ix_delivery_updated ON delivery (state, updated_at);

CREATE TABLE person (
    id VARCHAR NOT NULL,
    folded VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    roles TEXT NOT NULL,
    added_by VARCHAR NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    roles_by VARCHAR NOT NULL,
    roles_at TIMESTAMP WITH TIME ZONE NOT NULL,
    enrolled_at TIMESTAMP WITH TIME ZONE,
    blocked_at TIMESTAMP WITH TIME ZONE,
    code_digest VARCHAR,
    code_until TIMESTAMP WITH TIME ZONE,
    passphrase_hash TEXT,
    sealed_totp TEXT,
    last_step BIGINT NOT NULL,
    failures INTEGER NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    login VARCHAR,
    title VARCHAR,
    email VARCHAR,
    standing VARCHAR,
    standing_why VARCHAR,
    standing_by VARCHAR,
    standing_at TIMESTAMP WITH TIME ZONE,
    password_at TIMESTAMP WITH TIME ZONE,
    last_login_at TIMESTAMP WITH TIME ZONE,
    warned_at TIMESTAMP WITH TIME ZONE,
    must_change BOOLEAN,
    PRIMARY KEY (id),
    CONSTRAINT fk_person_principal FOREIGN KEY(id) REFERENCES principal (id),
    CONSTRAINT uq_person_name UNIQUE (folded)
);

CREATE TABLE proposal (
    id VARCHAR NOT NULL,
    content TEXT NOT NULL,
    proposed_by VARCHAR NOT NULL,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reason TEXT NOT NULL,
    state VARCHAR NOT NULL,
    decided_by VARCHAR,
    decided_at TIMESTAMP WITH TIME ZONE,
    agency_id VARCHAR,
    PRIMARY KEY (id),
    CONSTRAINT fk_proposal_person FOREIGN KEY(proposed_by) REFERENCES person (id)
);

CREATE INDEX ix_proposal_state ON proposal (state, proposed_at, id);

CREATE TABLE key_end (
    agency_code VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    key_id VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    stolen_since TIMESTAMP WITH TIME ZONE,
    by_principal VARCHAR NOT NULL,
    PRIMARY KEY (agency_code, fingerprint)
);

CREATE TABLE key_notice (
    fingerprint VARCHAR NOT NULL,
    days INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (fingerprint, days)
);

CREATE INDEX ix_outbox_signed_by ON outbox (signed_by, created_at);

CREATE TABLE revocation_question (
    source VARCHAR NOT NULL,
    issuer VARCHAR NOT NULL,
    about VARCHAR NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    failures INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (source, issuer, about)
);

CREATE INDEX ix_revocation_question_due ON revocation_question (due_at);

CREATE TABLE revocation_answer (
    source VARCHAR NOT NULL,
    issuer VARCHAR NOT NULL,
    about VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    origin VARCHAR NOT NULL,
    fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE,
    revokes BOOLEAN NOT NULL,
    used BOOLEAN NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (source, issuer, about, digest)
);

CREATE INDEX ix_revocation_answer_made ON revocation_answer (source, issuer, about, made_at);

CREATE INDEX ix_revocation_answer_fetched ON revocation_answer (fetched_at);

CREATE INDEX ix_revocation_answer_digest ON revocation_answer (digest);

CREATE TABLE revocation_pending (
    agency_id VARCHAR NOT NULL,
    inbox_id VARCHAR NOT NULL,
    certificate BYTEA NOT NULL,
    arrived_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, inbox_id),
    CONSTRAINT fk_revocation_pending_inbox FOREIGN KEY(agency_id, inbox_id) REFERENCES inbox (agency_id, id)
);

CREATE TABLE hold (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    open_subject VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
    is_settled BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_hold_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE UNIQUE INDEX uq_hold_open_subject ON hold (agency_id, open_subject);

CREATE INDEX ix_hold_begun ON hold (agency_id, begun_at, id);

CREATE TABLE hold_content (
    agency_id VARCHAR NOT NULL,
    hold_id VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (agency_id, hold_id, digest),
    CONSTRAINT fk_hold_content_hold_id FOREIGN KEY(agency_id, hold_id) REFERENCES hold (agency_id, id)
);

CREATE INDEX ix_hold_content_digest ON hold_content (agency_id, digest);

CREATE TABLE log (
    name VARCHAR NOT NULL,
    log_id VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    peaks TEXT NOT NULL,
    published_number BIGINT,
    published_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (name)
);

CREATE TABLE log_leaf (
    leaf_index BIGINT NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    body TEXT NOT NULL,
    salts TEXT,
    PRIMARY KEY (leaf_index),
    CONSTRAINT uq_log_leaf_position UNIQUE (position)
);

CREATE TABLE log_node (
    level INTEGER NOT NULL,
    place BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, place)
);

CREATE TABLE log_seal (
    number BIGINT NOT NULL,
    tree_size BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    body TEXT NOT NULL,
    stamp BYTEA,
    stamped_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (number)
);

CREATE INDEX ix_log_seal_size ON log_seal (tree_size);

CREATE INDEX ix_log_seal_stamped ON log_seal (number) WHERE stamped_at IS NOT NULL;

CREATE TABLE calendar_day (
    day DATE NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    set_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (day)
);

CREATE TABLE task_note (
    agency_id VARCHAR NOT NULL,
    task VARCHAR NOT NULL,
    owner VARCHAR,
    snoozed_until TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    note TEXT NOT NULL,
    noted_by VARCHAR NOT NULL,
    noted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, task),
    CONSTRAINT fk_task_note_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE reminder (
    agency_id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    mail VARCHAR,
    leased_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (agency_id, key),
    CONSTRAINT fk_reminder_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_reminder_at ON reminder (at);

CREATE INDEX ix_incoming_reply_by ON incoming_document (agency_id, reply_by) WHERE reply_by IS NOT NULL;

CREATE INDEX ix_fact_asked ON fact (agency_id, at) WHERE track = 'request' AND code = 'asked';

CREATE INDEX ix_delivery_returned ON delivery (agency_id, updated_at) WHERE state IN ('failed', 'rejected');

CREATE UNIQUE INDEX uq_person_login ON person (login);

CREATE INDEX ix_person_code ON person (code_digest);

CREATE TABLE password_past (
    person_id VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    hashed TEXT NOT NULL,
    PRIMARY KEY (person_id, at),
    CONSTRAINT fk_password_past_person FOREIGN KEY(person_id) REFERENCES person (id)
);

CREATE TABLE recovery_code (
    person_id VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (person_id, digest),
    CONSTRAINT fk_recovery_code_person FOREIGN KEY(person_id) REFERENCES person (id)
);

CREATE TABLE sign_in_try (
    key VARCHAR NOT NULL,
    failures INTEGER NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (key)
);

CREATE INDEX ix_sign_in_try_last ON sign_in_try (last_at);

CREATE TABLE session (
    digest VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    agency_id VARCHAR,
    factor VARCHAR NOT NULL,
    began_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    address VARCHAR NOT NULL,
    agent VARCHAR NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_why VARCHAR,
    PRIMARY KEY (digest),
    CONSTRAINT fk_session_person FOREIGN KEY(person_id) REFERENCES person (id),
    CONSTRAINT fk_session_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_session_id UNIQUE (id)
);

CREATE INDEX ix_session_person ON session (person_id, ended_at);

CREATE INDEX ix_session_ends ON session (ends_at);

CREATE TABLE post (
    person_id VARCHAR NOT NULL,
    agency_id VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    given_by VARCHAR NOT NULL,
    given_at TIMESTAMP WITH TIME ZONE NOT NULL,
    until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (person_id, agency_id, role),
    CONSTRAINT fk_post_person FOREIGN KEY(person_id) REFERENCES person (id)
);

CREATE INDEX ix_post_agency ON post (agency_id, role);

CREATE TABLE delegation (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    from_id VARCHAR NOT NULL,
    to_id VARCHAR NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_delegation_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_delegation_to ON delegation (to_id, ends_at);

CREATE INDEX ix_delegation_made ON delegation (agency_id, made_at, id);

CREATE TABLE mailbox (
    agency_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    made_by VARCHAR NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (agency_id, name),
    CONSTRAINT fk_mailbox_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE UNIQUE INDEX uq_mailbox_name ON mailbox (name);

CREATE TABLE registry_reform (
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    effective_on DATE NOT NULL,
    state VARCHAR NOT NULL,
    content TEXT NOT NULL,
    lives_before TEXT NOT NULL,
    lives_after TEXT NOT NULL,
    proposed_by VARCHAR NOT NULL,
    approved_by VARCHAR NOT NULL,
    approved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    undone_by VARCHAR,
    undone_at TIMESTAMP WITH TIME ZONE,
    undone_why TEXT,
    reported_by VARCHAR,
    reported_at TIMESTAMP WITH TIME ZONE,
    reported_how TEXT,
    PRIMARY KEY (id)
);

CREATE INDEX ix_registry_reform_effective ON registry_reform (effective_on, id);

CREATE TABLE registry_reform_code (
    reform_id VARCHAR NOT NULL,
    code VARCHAR COLLATE "C" NOT NULL,
    part VARCHAR NOT NULL,
    ending TEXT,
    PRIMARY KEY (reform_id, code),
    CONSTRAINT fk_registry_reform_code FOREIGN KEY(reform_id) REFERENCES registry_reform (id)
);

CREATE INDEX ix_registry_reform_code ON registry_reform_code (code, part);

CREATE TABLE agency_period (
    id VARCHAR NOT NULL,
    code VARCHAR COLLATE "C" NOT NULL,
    until DATE,
    alias VARCHAR COLLATE "C",
    name VARCHAR NOT NULL,
    folded TEXT COLLATE "C" NOT NULL,
    parent VARCHAR COLLATE "C",
    valid_from DATE,
    valid_to DATE,
    successor VARCHAR,
    source VARCHAR NOT NULL,
    email VARCHAR,
    address VARCHAR,
    phone VARCHAR,
    check_note VARCHAR,
    scheme VARCHAR DEFAULT 'VN-GOV' NOT NULL,
    decision VARCHAR,
    host VARCHAR,
    believed_from TIMESTAMP WITH TIME ZONE NOT NULL,
    believed_to TIMESTAMP WITH TIME ZONE,
    change_id VARCHAR NOT NULL,
    contact VARCHAR,
    next_host VARCHAR,
    next_host_from DATE,
    PRIMARY KEY (id)
);

CREATE INDEX ix_agency_period_code ON agency_period (code, believed_to);

CREATE INDEX ix_agency_period_folded ON agency_period (folded);

CREATE INDEX ix_agency_successor ON agency (successor);

CREATE TABLE list_row (
    place BIGINT NOT NULL,
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    state VARCHAR NOT NULL,
    own_state VARCHAR NOT NULL,
    tabs INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    issued_on DATE,
    due_at TIMESTAMP WITH TIME ZONE,
    attention_at TIMESTAMP WITH TIME ZONE,
    lead BIGINT,
    sent_at TIMESTAMP WITH TIME ZONE,
    latest_at TIMESTAMP WITH TIME ZONE,
    attached BOOLEAN NOT NULL,
    number_key VARCHAR COLLATE "C" NOT NULL,
    party_key VARCHAR COLLATE "C" NOT NULL,
    type_key VARCHAR COLLATE "C" NOT NULL,
    folded TEXT NOT NULL,
    card TEXT NOT NULL,
    unread BOOLEAN DEFAULT false NOT NULL,
    origin VARCHAR,
    book VARCHAR,
    PRIMARY KEY (place),
    CONSTRAINT fk_list_row_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_list_row_id UNIQUE (agency_id, id)
);

CREATE INDEX ix_list_row_number ON list_row (agency_id, side, number_key, place);

CREATE INDEX ix_list_row_party ON list_row (agency_id, side, party_key, place);

CREATE INDEX ix_list_row_type ON list_row (agency_id, side, type_key, place);

CREATE INDEX ix_list_row_issued ON list_row (agency_id, side, issued_on, place);

CREATE TABLE list_change (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_list_change_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE list_day (
    agency_id VARCHAR NOT NULL,
    day DATE NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency_id, day),
    CONSTRAINT fk_list_day_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE list_fill (
    agency_id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    id VARCHAR NOT NULL,
    done BOOLEAN NOT NULL,
    PRIMARY KEY (agency_id, side),
    CONSTRAINT fk_list_fill_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE paper_outgoing (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    number VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    issued_on DATE NOT NULL,
    year INTEGER NOT NULL,
    entered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    entered_by VARCHAR NOT NULL,
    catch_up TEXT,
    struck_at TIMESTAMP WITH TIME ZONE,
    struck_by VARCHAR,
    struck_reason TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_paper_outgoing_number UNIQUE (agency_id, year, number, symbol),
    CONSTRAINT fk_paper_outgoing_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_paper_outgoing_issued ON paper_outgoing (agency_id, issued_on, id);

CREATE INDEX ix_outgoing_issued ON outgoing_document (agency_id, issued_on, id);

CREATE TABLE recipient_group (
    agency_id VARCHAR NOT NULL,
    folded VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    members TEXT NOT NULL,
    saved_by VARCHAR NOT NULL,
    saved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (agency_id, folded),
    CONSTRAINT fk_recipient_group_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE saved_view (
    agency_id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    folded VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    query TEXT NOT NULL,
    is_first BOOLEAN DEFAULT false NOT NULL,
    saved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, person_id, side, folded),
    CONSTRAINT fk_saved_view_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE notice (
    id VARCHAR NOT NULL,
    wish TEXT NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE NOT NULL,
    published_by VARCHAR NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by VARCHAR NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_notice_published_at ON notice (published_at);

CREATE TABLE tag (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    folded VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    made_by VARCHAR NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_tag_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_tag_name UNIQUE (agency_id, folded)
);

CREATE TABLE tag_mark (
    agency_id VARCHAR NOT NULL,
    tag_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    marked_by VARCHAR NOT NULL,
    marked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, tag_id, document_id),
    CONSTRAINT fk_tag_mark_tag FOREIGN KEY(agency_id, tag_id) REFERENCES tag (agency_id, id)
);

CREATE INDEX ix_tag_mark_document ON tag_mark (agency_id, document_id);

CREATE INDEX ix_list_row_book ON list_row (agency_id, side, book, place);

CREATE TABLE queue_sample (
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    queue VARCHAR NOT NULL,
    depth INTEGER NOT NULL,
    oldest_s INTEGER,
    PRIMARY KEY (at, queue)
);

CREATE TABLE job_day (
    job VARCHAR NOT NULL,
    day DATE NOT NULL,
    beats INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    gap_s INTEGER NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    code VARCHAR NOT NULL,
    PRIMARY KEY (job, day)
);

CREATE TABLE recall_ask (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    reason TEXT NOT NULL,
    notice_no VARCHAR NOT NULL,
    take_back BOOLEAN NOT NULL,
    recipients TEXT NOT NULL,
    asked_by VARCHAR NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    asked_for VARCHAR,
    state VARCHAR NOT NULL,
    decided_by VARCHAR,
    decided_for VARCHAR,
    decided_at TIMESTAMP WITH TIME ZONE,
    why TEXT NOT NULL,
    result VARCHAR,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_recall_ask_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_recall_ask_document_id FOREIGN KEY(agency_id, document_id) REFERENCES outgoing_document (agency_id, id)
);

CREATE INDEX ix_recall_ask_document ON recall_ask (agency_id, document_id);

CREATE INDEX ix_recall_ask_state ON recall_ask (agency_id, state, asked_at);

CREATE TABLE api_call (
    id VARCHAR NOT NULL,
    key_id VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    method VARCHAR NOT NULL,
    route VARCHAR NOT NULL,
    status INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    problem VARCHAR NOT NULL,
    address VARCHAR NOT NULL,
    request_id VARCHAR NOT NULL,
    trace_id VARCHAR DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT fk_api_call_key FOREIGN KEY(key_id) REFERENCES api_key (id)
);

CREATE INDEX ix_api_call_key ON api_call (key_id, id);

CREATE INDEX ix_api_call_at ON api_call (at);

CREATE TABLE page_keeping (
    key VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    body TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (key)
);

CREATE INDEX ix_page_keeping_session ON page_keeping (session_id, at);

CREATE INDEX ix_page_keeping_until ON page_keeping (until);

CREATE INDEX ix_list_row_sent ON list_row (agency_id, side, sent_at, state) WHERE sent_at IS NOT NULL;

CREATE TABLE replaced_document (
    agency_id VARCHAR NOT NULL,
    sender_folded VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    incoming_id VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, sender_folded, document_id, incoming_id),
    CONSTRAINT fk_replaced_document_incoming_id FOREIGN KEY(agency_id, incoming_id) REFERENCES incoming_document (agency_id, id)
);

CREATE INDEX ix_outgoing_number ON outgoing_document (agency_id, number, symbol);

CREATE TABLE paper_part (
    agency_id VARCHAR NOT NULL,
    delivery_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    handed_over DATE,
    means VARCHAR,
    note TEXT NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by VARCHAR,
    PRIMARY KEY (agency_id, delivery_id),
    CONSTRAINT fk_paper_part_delivery FOREIGN KEY(agency_id, delivery_id) REFERENCES delivery (agency_id, id)
);

CREATE INDEX ix_paper_part_document ON paper_part (agency_id, document_id);

CREATE INDEX ix_paper_part_handed ON paper_part (agency_id, handed_over);

CREATE INDEX ix_paper_part_waiting ON paper_part (agency_id, opened_at, delivery_id) WHERE handed_over IS NULL;

CREATE TABLE memory_version (
    subject VARCHAR NOT NULL,
    token VARCHAR NOT NULL,
    PRIMARY KEY (subject)
);

CREATE OR REPLACE FUNCTION memory_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE mine text := txid_current()::text;
        BEGIN
        IF NOT EXISTS (SELECT 1 FROM memory_version WHERE subject = TG_ARGV[0] AND token = mine) THEN
            INSERT INTO memory_version (subject, token) VALUES (TG_ARGV[0], mine)
            ON CONFLICT (subject) DO UPDATE SET token = excluded.token;
        END IF;
        RETURN NULL;
        END $$;

CREATE TRIGGER memory_agency AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agency FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('agency');

CREATE TRIGGER memory_agency_period AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agency_period FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('agency');

CREATE TRIGGER memory_registry_reform AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registry_reform FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('agency');

CREATE TRIGGER memory_registry_reform_code AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registry_reform_code FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('agency');

CREATE TRIGGER memory_agency_binding AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agency_binding FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('binding');

CREATE TRIGGER memory_key_end AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON key_end FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('key_end');

CREATE TRIGGER memory_hosted_agency AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hosted_agency FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('hosted');

CREATE TRIGGER memory_event_insert AFTER INSERT ON event FOR EACH ROW WHEN (NEW.kind IN ('binding.approved', 'binding.ending', 'binding.withdrawn')) EXECUTE FUNCTION memory_changed('binding');

CREATE TRIGGER memory_event_update AFTER UPDATE OF position, agency_id, id, kind, at, subject_id, principal_id, data ON event FOR EACH ROW WHEN (OLD.kind IN ('binding.approved', 'binding.ending', 'binding.withdrawn') OR NEW.kind IN ('binding.approved', 'binding.ending', 'binding.withdrawn')) EXECUTE FUNCTION memory_changed('binding');

CREATE TRIGGER memory_event_delete AFTER DELETE ON event FOR EACH ROW WHEN (OLD.kind IN ('binding.approved', 'binding.ending', 'binding.withdrawn')) EXECUTE FUNCTION memory_changed('binding');

CREATE TRIGGER memory_event_truncate AFTER TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('binding');

CREATE INDEX ix_incoming_number ON incoming_document (agency_id, number_key, arrived_at);

CREATE INDEX ix_outgoing_lead ON outgoing_document (agency_id, lead, created_at, id);

CREATE TRIGGER memory_api_key_agency AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON api_key_agency FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('key');

CREATE TRIGGER memory_principal AFTER UPDATE OR TRUNCATE ON principal FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('key');

CREATE TABLE webhook (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    scopes TEXT NOT NULL,
    note TEXT NOT NULL,
    secrets TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_by VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    paused_why VARCHAR,
    paused_at TIMESTAMP WITH TIME ZONE,
    cursor BIGINT NOT NULL,
    suspects INTEGER NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE,
    last_ok_at TIMESTAMP WITH TIME ZONE,
    last_try_at TIMESTAMP WITH TIME ZONE,
    slow BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    lease_token VARCHAR,
    lease_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_webhook_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE webhook_delivery (
    agency_id VARCHAR NOT NULL,
    webhook_id VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    event_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    attempts INTEGER NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE,
    tries TEXT NOT NULL,
    PRIMARY KEY (agency_id, webhook_id, sequence),
    CONSTRAINT fk_webhook_delivery_webhook_id FOREIGN KEY(agency_id, webhook_id) REFERENCES webhook (agency_id, id)
);

CREATE INDEX ix_webhook_delivery_left ON webhook_delivery (agency_id, webhook_id, due_at) WHERE state = 'waiting';

CREATE INDEX ix_webhook_delivery_at ON webhook_delivery (at);

CREATE TABLE upload (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    part_size BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_by VARCHAR NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    announced VARCHAR,
    file TEXT,
    signatures TEXT,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_upload_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_upload_expires ON upload (expires_at);

CREATE TABLE upload_part (
    agency_id VARCHAR NOT NULL,
    upload_id VARCHAR NOT NULL,
    n INTEGER NOT NULL,
    size BIGINT NOT NULL,
    sha256 VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, upload_id, n),
    CONSTRAINT fk_upload_part_upload_id FOREIGN KEY(agency_id, upload_id) REFERENCES upload (agency_id, id)
);

CREATE TABLE system_item (
    agency_id VARCHAR NOT NULL,
    system VARCHAR NOT NULL,
    doc_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    subject_id VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    tries INTEGER NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    reason TEXT NOT NULL,
    offered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, system, doc_id),
    CONSTRAINT fk_system_item_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_system_item_state ON system_item (agency_id, state, updated_at);

CREATE TABLE system_cursor (
    agency_id VARCHAR NOT NULL,
    system VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    PRIMARY KEY (agency_id, system),
    CONSTRAINT fk_system_cursor_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_outgoing_own_id ON outgoing_document (agency_id, own_id) WHERE own_id IS NOT NULL;

CREATE TRIGGER memory_api_key AFTER INSERT OR DELETE OR UPDATE OF id, principal_id, scopes, secret_hash, created_at, expires_at, revoked_at, prefix, networks, way, certificate_sha256, certificate_name, certificate_begins_at, certificate_ends_at OR TRUNCATE ON api_key FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('key');

CREATE TABLE unit_part (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    unit_key VARCHAR NOT NULL,
    is_lead BOOLEAN NOT NULL,
    deadline DATE,
    given_by VARCHAR NOT NULL,
    given_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state VARCHAR NOT NULL,
    ended_by VARCHAR,
    ended_at TIMESTAMP WITH TIME ZONE,
    why TEXT DEFAULT '' NOT NULL,
    person_id VARCHAR,
    is_informed BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_unit_part_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_unit_part_document_id FOREIGN KEY(agency_id, document_id) REFERENCES incoming_document (agency_id, id)
);

CREATE INDEX ix_unit_part_document ON unit_part (agency_id, document_id);

CREATE INDEX ix_unit_part_state ON unit_part (agency_id, state, unit_key, deadline);

CREATE TABLE submission (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    leader VARCHAR NOT NULL,
    note TEXT NOT NULL,
    asked_by VARCHAR NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state VARCHAR NOT NULL,
    decided_by VARCHAR,
    decided_at TIMESTAMP WITH TIME ZONE,
    opinion TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_submission_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_submission_document_id FOREIGN KEY(agency_id, document_id) REFERENCES incoming_document (agency_id, id)
);

CREATE INDEX ix_submission_document ON submission (agency_id, document_id);

CREATE INDEX ix_submission_state ON submission (agency_id, state, asked_at);

CREATE INDEX ix_outgoing_reply_by ON outgoing_document (agency_id, reply_by) WHERE reply_by IS NOT NULL;

CREATE TABLE own_desk (
    agency_id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    read_until TIMESTAMP WITH TIME ZONE,
    muted TEXT,
    toured_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (agency_id, person_id),
    CONSTRAINT fk_own_desk_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_incoming_lead ON incoming_document (agency_id, lead, arrived_at, id);

ALTER TABLE blob ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX ix_blob_owner ON blob (agency_id, owner_kind, owner_id) WHERE agency_id IS NOT NULL;

CREATE INDEX ix_list_row_place ON list_row (agency_id, side, place, tabs, state, origin, urgency, attached);

CREATE INDEX ix_list_row_attention ON list_row (agency_id, side, lead, place, attention_at, tabs, state, origin, urgency, attached) WHERE attention_at IS NOT NULL;

CREATE INDEX ix_list_row_few ON list_row (agency_id, side, place, tabs, urgency, unread) WHERE (tabs & 1) <> 0 OR (tabs & 4) <> 0 OR (tabs & 8) <> 0 OR (tabs & 16) <> 0 OR (tabs & 32) <> 0 OR (tabs & 64) <> 0 OR (tabs & 128) <> 0 OR (tabs & 256) <> 0 OR (tabs & 1024) <> 0 OR (tabs & 2048) <> 0 OR (tabs & 4096) <> 0 OR unread;

CREATE TABLE agency_profile (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    set_by VARCHAR NOT NULL,
    set_at TIMESTAMP WITH TIME ZONE NOT NULL,
    from_when TIMESTAMP WITH TIME ZONE NOT NULL,
    set_by_name VARCHAR DEFAULT '' NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_agency_profile_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_agency_profile_key ON agency_profile (agency_id, key, set_at);

CREATE TABLE pending_act (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    act_values TEXT NOT NULL,
    version INTEGER NOT NULL,
    person_id VARCHAR NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    failed_at TIMESTAMP WITH TIME ZONE,
    fault VARCHAR DEFAULT '' NOT NULL,
    PRIMARY KEY (agency_id, document_id),
    CONSTRAINT fk_pending_act_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_pending_act_document_id FOREIGN KEY(agency_id, document_id)
        REFERENCES incoming_document (agency_id, id)
);

CREATE INDEX ix_pending_act_due ON pending_act (due_at) WHERE failed_at IS NULL;

CREATE TRIGGER memory_agency_profile AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agency_profile
FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('hosted');

CREATE TABLE unit (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    name_key VARCHAR NOT NULL,
    parent_id VARCHAR,
    position INTEGER NOT NULL,
    former TEXT DEFAULT '[]' NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_unit_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_unit_name UNIQUE (agency_id, name_key)
);

CREATE TABLE letter_comment (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_letter_comment_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_letter_comment_document_id FOREIGN KEY(agency_id, document_id) REFERENCES incoming_document (agency_id, id)
);

CREATE INDEX ix_letter_comment_document ON letter_comment (agency_id, document_id, at);

CREATE INDEX ix_letter_comment_at ON letter_comment (agency_id, at);

CREATE TABLE letter_seen (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    read_until TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, document_id, person_id),
    CONSTRAINT fk_letter_seen_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_letter_seen_document_id FOREIGN KEY(agency_id, document_id) REFERENCES incoming_document (agency_id, id)
);

CREATE INDEX ix_letter_seen_person ON letter_seen (agency_id, person_id);

CREATE TABLE content_text (
    place BIGINT NOT NULL,
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    n INTEGER NOT NULL,
    page INTEGER NOT NULL,
    folded TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (place),
    CONSTRAINT fk_content_text_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_content_text_page UNIQUE (agency_id, document_id, n, page)
);

CREATE TABLE content_due (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    place BIGINT NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (agency_id, document_id),
    CONSTRAINT fk_content_due_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_content_due_place ON content_due (place);

CREATE TABLE content_read (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    n INTEGER NOT NULL,
    reading VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (agency_id, document_id, n),
    CONSTRAINT fk_content_read_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE content_state (
    name VARCHAR NOT NULL,
    place BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE INDEX ix_content_search ON content_text USING gin (array_to_tsvector(string_to_array(agency_id || ' T' || CAST(place >> 35 AS VARCHAR) || rtrim(folded), ' ')));

CREATE TABLE pdf_answer (
    digest VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    issuer VARCHAR NOT NULL,
    about VARCHAR NOT NULL,
    origin VARCHAR NOT NULL,
    fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE,
    revokes BOOLEAN NOT NULL,
    used BOOLEAN NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (digest)
);

CREATE INDEX ix_pdf_answer_about ON pdf_answer (issuer, source, about, made_at);

CREATE INDEX ix_pdf_answer_fetched ON pdf_answer (fetched_at);

CREATE INDEX ix_agency_binding_list ON agency_binding (list_id);

CREATE INDEX ix_registry_feed_proposal_standing ON registry_feed_proposal (standing, code);

CREATE TABLE registry_list (
    issuer VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    header TEXT NOT NULL,
    issuer_key VARCHAR NOT NULL,
    officers TEXT NOT NULL,
    trust VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    content BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    by_principal VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE,
    counts TEXT NOT NULL,
    PRIMARY KEY (issuer, sequence)
);

CREATE INDEX ix_registry_list_state ON registry_list (state, received_at);

CREATE TRIGGER memory_event_list_insert AFTER INSERT ON event FOR EACH ROW WHEN (NEW.kind IN ('list.bound', 'list.ended')) EXECUTE FUNCTION memory_changed('binding');

CREATE TRIGGER memory_event_list_update AFTER UPDATE OF position, agency_id, id, kind, at, subject_id, principal_id, data ON event FOR EACH ROW WHEN (OLD.kind IN ('list.bound', 'list.ended') OR NEW.kind IN ('list.bound', 'list.ended')) EXECUTE FUNCTION memory_changed('binding');

CREATE TRIGGER memory_event_list_delete AFTER DELETE ON event FOR EACH ROW WHEN (OLD.kind IN ('list.bound', 'list.ended')) EXECUTE FUNCTION memory_changed('binding');

CREATE TABLE agency_seal (
    id VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    certificate_pem TEXT NOT NULL,
    name VARCHAR NOT NULL,
    position VARCHAR NOT NULL,
    capacity VARCHAR NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
    valid_to TIMESTAMP WITH TIME ZONE NOT NULL,
    state VARCHAR NOT NULL,
    proposed_by VARCHAR NOT NULL,
    approved_by VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_agency_seal_code ON agency_seal (code);

CREATE INDEX ix_agency_seal_fingerprint ON agency_seal (fingerprint);

CREATE TABLE agency_sealing_right (
    id VARCHAR NOT NULL,
    acting_code VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    act_number VARCHAR NOT NULL,
    act_date DATE NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    state VARCHAR NOT NULL,
    proposed_by VARCHAR NOT NULL,
    approved_by VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_agency_sealing_right_code ON agency_sealing_right (code);

CREATE TRIGGER memory_agency_seal AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agency_seal FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('seal');

CREATE TRIGGER memory_agency_sealing_right AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agency_sealing_right FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('seal');

CREATE TRIGGER memory_seal_event_insert AFTER INSERT ON event FOR EACH ROW WHEN (NEW.kind IN ('seal.approved', 'seal.withdrawn', 'sealing_right.approved', 'sealing_right.withdrawn')) EXECUTE FUNCTION memory_changed('seal');

CREATE TRIGGER memory_seal_event_update AFTER UPDATE OF position, agency_id, id, kind, at, subject_id, principal_id, data ON event FOR EACH ROW WHEN (OLD.kind IN ('seal.approved', 'seal.withdrawn', 'sealing_right.approved', 'sealing_right.withdrawn') OR NEW.kind IN ('seal.approved', 'seal.withdrawn', 'sealing_right.approved', 'sealing_right.withdrawn')) EXECUTE FUNCTION memory_changed('seal');

CREATE TRIGGER memory_seal_event_delete AFTER DELETE ON event FOR EACH ROW WHEN (OLD.kind IN ('seal.approved', 'seal.withdrawn', 'sealing_right.approved', 'sealing_right.withdrawn')) EXECUTE FUNCTION memory_changed('seal');

CREATE TABLE registry_axis_list (
    id VARCHAR NOT NULL,
    axis VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    state VARCHAR NOT NULL,
    added INTEGER DEFAULT 0 NOT NULL,
    waiting INTEGER DEFAULT 0 NOT NULL,
    conflicts INTEGER DEFAULT 0 NOT NULL,
    left_out INTEGER DEFAULT 0 NOT NULL,
    is_large BOOLEAN DEFAULT false NOT NULL,
    problems TEXT DEFAULT '[]' NOT NULL,
    fault TEXT DEFAULT '' NOT NULL,
    content TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_registry_axis_list_at ON registry_axis_list (axis, at);

CREATE TABLE figure_fact (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    parent VARCHAR DEFAULT '' NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_figure_fact_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_figure_fact_parent ON figure_fact (agency_id, parent) WHERE parent <> '';

CREATE TABLE figure_day (
    agency_id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    dimension VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    span VARCHAR NOT NULL,
    day DATE NOT NULL,
    key VARCHAR NOT NULL,
    documents INTEGER DEFAULT 0 NOT NULL,
    electronic INTEGER DEFAULT 0 NOT NULL,
    with_paper INTEGER DEFAULT 0 NOT NULL,
    paper INTEGER DEFAULT 0 NOT NULL,
    unsigned INTEGER DEFAULT 0 NOT NULL,
    replacements INTEGER DEFAULT 0 NOT NULL,
    recipients INTEGER DEFAULT 0 NOT NULL,
    failed INTEGER DEFAULT 0 NOT NULL,
    delivered INTEGER DEFAULT 0 NOT NULL,
    delivered_s BIGINT DEFAULT 0 NOT NULL,
    handed INTEGER DEFAULT 0 NOT NULL,
    taken INTEGER DEFAULT 0 NOT NULL,
    taken_s BIGINT DEFAULT 0 NOT NULL,
    refused INTEGER DEFAULT 0 NOT NULL,
    recalled INTEGER DEFAULT 0 NOT NULL,
    done INTEGER DEFAULT 0 NOT NULL,
    done_s BIGINT DEFAULT 0 NOT NULL,
    due INTEGER DEFAULT 0 NOT NULL,
    on_time INTEGER DEFAULT 0 NOT NULL,
    late INTEGER DEFAULT 0 NOT NULL,
    late_s BIGINT DEFAULT 0 NOT NULL,
    open_due INTEGER DEFAULT 0 NOT NULL,
    asked INTEGER DEFAULT 0 NOT NULL,
    replied INTEGER DEFAULT 0 NOT NULL,
    replied_late INTEGER DEFAULT 0 NOT NULL,
    owed INTEGER DEFAULT 0 NOT NULL,
    reads INTEGER DEFAULT 0 NOT NULL,
    read_files INTEGER DEFAULT 0 NOT NULL,
    sign_ins INTEGER DEFAULT 0 NOT NULL,
    PRIMARY KEY (agency_id, side, dimension, unit, span, day, key),
    CONSTRAINT fk_figure_day_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE figure_state (name VARCHAR NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (name));

CREATE TABLE given_number (
    agency_id VARCHAR NOT NULL,
    book VARCHAR NOT NULL,
    year INTEGER NOT NULL,
    number INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    "by" VARCHAR NOT NULL,
    until TIMESTAMP WITH TIME ZONE,
    subject_id VARCHAR NOT NULL,
    document_id TEXT NOT NULL,
    code VARCHAR NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (agency_id, book, year, number),
    FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE INDEX ix_given_number_free ON given_number (agency_id, book, year, number) WHERE state IN ('free', 'reserved');

CREATE INDEX ix_given_number_subject ON given_number (agency_id, subject_id) WHERE subject_id <> '';

CREATE TABLE node_reminder (
    key VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    mail VARCHAR,
    leased_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (key)
);

CREATE INDEX ix_node_reminder_at ON node_reminder (at);

CREATE INDEX ix_proposal_agency ON proposal (agency_id, state) WHERE agency_id IS NOT NULL;

CREATE TABLE work_file (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    title TEXT NOT NULL,
    kind VARCHAR NOT NULL,
    closed_on DATE NOT NULL,
    owner VARCHAR NOT NULL,
    archived_on DATE,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_work_file_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE figure_frozen (
    agency_id VARCHAR NOT NULL,
    event_id VARCHAR NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (agency_id, event_id),
    CONSTRAINT fk_figure_frozen_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE UNIQUE INDEX uq_work_file_code ON work_file (agency_id, code);

CREATE INDEX ix_work_file_open ON work_file (agency_id, closed_on) WHERE archived_on IS NULL;

CREATE TABLE report_schedule (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    wish TEXT NOT NULL,
    made_by VARCHAR NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_on DATE NOT NULL,
    paused_at TIMESTAMP WITH TIME ZONE,
    sent_at TIMESTAMP WITH TIME ZONE,
    sent_to TEXT NOT NULL,
    problem VARCHAR DEFAULT '' NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    lease_token VARCHAR,
    lease_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_report_schedule_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);

CREATE TABLE account_request (
    id VARCHAR NOT NULL,
    agency_id VARCHAR NOT NULL,
    form VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX ix_account_request_agency ON account_request (agency_id, made_at);

CREATE INDEX ix_account_request_state ON account_request (state, made_at);

CREATE TABLE registry_receipt (
    issuer VARCHAR NOT NULL,
    code VARCHAR COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
    said_at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    tellings INTEGER NOT NULL,
    PRIMARY KEY (issuer, code)
);

CREATE TABLE agency_emblem (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    content BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    made_by VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_agency_emblem_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);
