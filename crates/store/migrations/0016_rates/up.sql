-- What a currency is worth in another from a day on, by our number; nothing is ever changed or removed.

CREATE TABLE currency_rates (
    number BIGINT PRIMARY KEY,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX currency_rates_pair ON currency_rates (target, source, number);
