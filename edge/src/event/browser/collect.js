(function(w,d){
var s=d.currentScript,o=new URL(s.src).origin,k=s.getAttribute('data-key'),n='_tributary',q=new URLSearchParams(location.search),
L=function(f){try{return f()}catch(e){}},
read=function(){var m=d.cookie.match(/(?:^|; )_tributary=([^;]*)/);
return L(function(){return JSON.parse(m?decodeURIComponent(m[1]):localStorage.getItem(n))})||{}},
seen=read(),c=q.get('click_id'),r=q.get('ref_code');
if(c||r){
seen={};if(c)seen.click_id=c.slice(0,64);if(r)seen.ref_code=r.slice(0,64);
var v=JSON.stringify(seen);
if(!navigator.globalPrivacyControl&&navigator.doNotTrack!='1'){
d.cookie=n+'='+encodeURIComponent(v)+'; Path=/; Max-Age=7776000; SameSite=Lax'+(location.protocol=='https:'?'; Secure':'');
L(function(){localStorage.setItem(n,v)})}
}
function id(){var a=new Uint8Array(16),t='';crypto.getRandomValues(a);
for(var i=0;i<16;i++)t+=(a[i]+256).toString(16).slice(1);return'web-'+t}
function send(action,fields){
var e={action:action},x;
for(x in seen)e[x]=seen[x];
for(x in fields)e[x]=fields[x];
if(!e.event_id&&!e.order_id)e.event_id=id();
if(!e.landing_url)e.landing_url=location.href.slice(0,2000);
var u=o+'/collect?key='+encodeURIComponent(k),b=JSON.stringify(e);
// text/plain: no preflight.
if(!(navigator.sendBeacon&&L(function(){return navigator.sendBeacon(u,b)})))
L(function(){fetch(u,{method:'POST',body:b,keepalive:true,mode:'no-cors'})})
}
var old=(w.tributary||{}).q||[],t=w.tributary=function(a,f){send(a,f)};
['purchase','add_to_cart','signup','drop_off'].forEach(function(a){t[a]=function(f){send(a,f)}});
t.click=function(){return seen.click_id};
old.forEach(function(a){send(a[0],a[1])})
})(window,document);
