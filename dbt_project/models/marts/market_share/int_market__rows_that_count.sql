{{ config(schema='intermediate', contract={'enforced': false}) }}

-- Market figures come at several depths and sometimes from several publishers. Of each firm the
-- coarsest rows delivered count (a figure of all outlets before one of each, its total before its
-- brands, brands before products), and of several publishers the latest one, so that nothing is
-- counted twice. What is a sample of outlets or products is projected to all of them.

{{ market_rows_that_count(ref('fct_market_sales')) }}
