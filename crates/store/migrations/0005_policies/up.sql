-- Versions of the policy that the operator set; the newest is in force.

CREATE TABLE policies (
    number BIGINT PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
