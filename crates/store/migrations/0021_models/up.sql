-- Which model answered the requests of usage, and which of its requests or tokens they were.

ALTER TABLE usage_records ADD COLUMN model TEXT;
ALTER TABLE usage_records ADD COLUMN kind TEXT;
