(function () {
  const input = document.getElementById('search');
  const found = document.getElementById('found');
  const count = document.getElementById('count');
  const list = document.getElementById('hits');
  document.documentElement.classList.remove('no-script');
  const places = Array.from(document.querySelectorAll('[data-name]'), (element) => ({
    id: element.id,
    name: element.dataset.name,
    text: (element.dataset.name + ' ' + (element.dataset.text || '')).toLowerCase(),
  }));
  const rank = (place, word) => {
    const name = place.name.toLowerCase();
    const own = name.split('.').pop();
    if (own === word || name === word) return 0;
    if (own.startsWith(word)) return 1;
    return name.includes(word) ? 2 : 3;
  };
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    document.body.classList.toggle('searching', words.length > 0);
    list.replaceChildren();
    if (words.length === 0) return;
    const hits = places.filter((place) => words.every((word) => place.text.includes(word)));
    hits.sort((a, b) => rank(a, words[0]) - rank(b, words[0]));
    count.textContent = hits.length === 1 ? '1 place' : hits.length + ' places';
    for (const place of hits.slice(0, 50)) {
      const item = document.createElement('li');
      const link = document.createElement('a');
      link.href = '#' + place.id;
      link.textContent = place.name;
      item.append(link);
      list.append(item);
    }
  };
  input.addEventListener('input', show);
  found.addEventListener('click', (event) => {
    if (event.target.closest('a')) {
      input.value = '';
      show();
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== input) {
      event.preventDefault();
      input.focus();
    } else if (event.key === 'Escape' && document.activeElement === input) {
      input.value = '';
      show();
    }
  });
  show();
})();
