-- The table that orders_from_sql.py reads, for SQLite.
DROP TABLE IF EXISTS orders;
CREATE TABLE orders (
    order_id TEXT PRIMARY KEY,
    customer TEXT NOT NULL,
    total REAL NOT NULL,
    first_order INTEGER NOT NULL,  -- SQLite's boolean: 0 or 1
    coupon TEXT,
    ordered_at TEXT NOT NULL,
    shop TEXT NOT NULL
);
INSERT INTO orders VALUES
    ('00121', 'customer-7', 19.9, 1, 'SPRING', '2026-03-01 14:30:00', 'paris'),
    ('00122', 'customer-8', 5.0, 0, NULL, '2026-03-01 15:05:00', 'rome'),
    ('00123', 'customer-9', 42.5, 0, NULL, '2026-03-01 16:20:00', 'paris');
