-- Which books of the village library are out for longer than three weeks, and who has them.
create table book (id integer primary key, title text not null, shelf text not null);
create table reader (id integer primary key, name text not null, phone text);
create table loan (
    book_id integer not null references book (id),
    reader_id integer not null references reader (id),
    lent_on date not null,
    returned_on date
);

create index loan_open on loan (lent_on) where returned_on is null;

select book.title, reader.name, reader.phone, loan.lent_on
from loan
join book on book.id = loan.book_id
join reader on reader.id = loan.reader_id
where loan.returned_on is null
  and loan.lent_on < current_date - 21
order by loan.lent_on;
