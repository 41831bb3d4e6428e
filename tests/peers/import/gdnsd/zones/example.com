$TTL 3600
@       SOA ns1 hostmaster 1 7200 3600 1209600 300
@       NS  ns1
ns1     A   192.0.2.53
static  A   192.0.2.1
one     60  DYNA static!one
pair    60  DYNA simplefo!pair
ring    60  DYNA multifo!ring
half    60  DYNA multifo!half
few     60  DYNA multifo!few
shares  60  DYNA weighted!shares
aliases 60  DYNC weighted!names
orders  60  DYNA metafo!orders
second  60  DYNA metafo!second
dc2.orders 60 DYNA metafo!orders/dc2
away    60  DYNA metafo!away
www     60  DYNA geoip!www
asia.www 60 DYNA geoip!www/asia
implied 60  DYNA geoip!implied
names   60  DYNC geoip!names
broken  60  DYNA simplefo!checked
checked 60  DYNA geoip!checked
